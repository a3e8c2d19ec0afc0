"""Turn the bytes of a fuzzer into numbers, contents, pieces and edits; and bound what work costs."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.cost import cost

T = TypeVar("T")
_SUSPICIOUS_SECONDS = 0.002  # of CPU: cheaper work is not measured a second time
_BASE_UNITS = 0.5  # of tests/cost.py
_BYTES_OF_A_UNIT = 10_000  # one microsecond or less for each byte


class Choices:
    """Numbers taken from the end of an input; what is left at the front is its content."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self, most: int) -> int:
        """A number from 0 to *most*, which is below 65 536; 0 when no bytes are left."""
        width = 1 if most < 256 else 2
        taken, self._data = self._data[-width:], self._data[:-width]
        return int.from_bytes(taken) % (most + 1)

    def flag(self) -> bool:
        """One of two."""
        return self.number(1) == 1

    def sizes(self, most: int) -> Sequence[int]:
        """Up to four sizes of pieces, each from 1 to *most*."""
        return [1 + self.number(most - 1) for _ in range(1 + self.number(3))]

    def content(self, most: int) -> bytes:
        """The bytes that are left, with one part of them repeated, up to *most* bytes."""
        start, length, times = self.number(255), 1 + self.number(31), self.number(65_535)
        if times % 8:  # seven inputs of eight stay small, so that more of them are tried
            return self._data[:most]
        part = self._data[start : start + length]
        repeated = part * min(times, most // max(1, len(part)))
        return (self._data[:start] + repeated + self._data[start:])[:most]

    def edited(self, original: bytes) -> bytes:
        """*original* after up to four edits, each of which replaces some bytes by bytes of the content."""
        changed = bytearray(original)
        for _ in range(1 + self.number(3)):
            place = self.number(65_535) % (len(changed) + 1)
            removed, length = self.number(80), self.number(40)
            inserted, self._data = self._data[:length], self._data[length:]
            changed[place : place + removed] = inserted
        return bytes(changed)


def cut(stream: bytes, sizes: Sequence[int]) -> list[bytes]:
    """*stream* in pieces of *sizes*, which are repeated."""
    pieces, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        pieces.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def linear(work: Callable[[], T], size: int) -> T:
    """The result of *work*, which may cost a constant and a fixed share for each of *size* bytes.

    Work that looks expensive is measured again in units that a slow or busy machine does not change.
    """
    start = time.thread_time()
    result = work()
    if time.thread_time() - start > _SUSPICIOUS_SECONDS:
        allowed = _BASE_UNITS + size / _BYTES_OF_A_UNIT
        assert cost(work, enough=allowed) < allowed
    return result
