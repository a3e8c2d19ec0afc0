"""A table in memory that several processes share: counts for each name, a column for each process.

A name has eight possible places, found by a keyed hash, so that no peer chooses names which share places. What a
process holds is in its own column; a dead process's column is cleared at once, and its places are free again. No
place needs repair after a kill at any moment: a place whose columns are all zero is free.

The lock is the kernel's, on the file behind the memory, and ends with the process that holds it. A process that was
stopped while it holds the lock delays the others once in a second, for a moment; then they go on without it, and their
counts may be wrong by one until that process is killed.
"""

import fcntl
import mmap
import os
import tempfile
import time
from hashlib import blake2b
from typing import Final

_WAYS: Final = 8  # places of a name
_WORD: Final = 8  # bytes
_OVERFLOW: Final = 1  # places that all names share whose own places are in use by others
_PATIENCE_SECONDS: Final = 0.02  # for the lock
_PAUSE_SECONDS: Final = 0.00005
_DISTRUST_SECONDS: Final = 1.0  # after a lock that was not released in time


class SharedTable:
    """Made before the processes are forked; each then uses its own number."""

    def __init__(self, *, processes: int, names: int, buckets: int) -> None:
        """*names* may hold something at the same time; *buckets* are remembered."""
        self._sets, self._bucket_sets = _power(4 * names // _WAYS), _power(2 * buckets // _WAYS)
        self._processes = processes
        self._places = self._sets * _WAYS + _OVERFLOW
        self._levels_at = self._places * (1 + processes)
        words = self._levels_at + self._bucket_sets * _WAYS * 3
        self._file = _memory_file(words * _WORD)
        self._memory = mmap.mmap(self._file, words * _WORD)
        self._words = memoryview(self._memory).cast("q")
        self._numbers = memoryview(self._memory).cast("d")
        self._secret = os.urandom(16)
        self._depth = 0
        self._is_locked = False
        self._distrusted_until = 0.0

    def key(self, name: str) -> bytes:
        """The key of *name* in the table, of eight bytes."""
        return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_WORD, key=self._secret).digest()

    def __enter__(self) -> None:
        """Take the lock, unless it is held already."""
        if not self._depth:
            self._is_locked = self._lock()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth and self._is_locked:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1)

    def count(self, key: bytes) -> int:
        """What all processes together hold under *key*."""
        return self._sum(self._find(key))

    def add(self, key: bytes, amount: int, *, process: int) -> None:
        """Change what *process* holds under *key*. Call it with the lock."""
        place = self._find(key)
        column = self._places * (1 + process)
        if amount < 0:
            if self._words[column + place] + amount < 0:
                place = self._places - 1  # it was counted there, while its own places were in use
            self._words[column + place] = max(0, self._words[column + place] + amount)
            return
        if place == self._places - 1:
            place = self._take_place(key)
        self._words[column + place] += amount

    def clear(self, process: int) -> None:
        """Free all that *process* held; it has ended."""
        with self:
            start = self._places * (1 + process) * _WORD
            self._memory[start : start + self._places * _WORD] = bytes(self._places * _WORD)

    def level(self, key: bytes) -> tuple[int | None, tuple[float, float] | None]:
        """The place of a bucket, its level and the time of that; None for one that is not remembered."""
        at = self._find_bucket(key)
        return at, None if at is None else (self._numbers[at + 1], self._numbers[at + 2])

    def set_level(self, key: bytes, place: int | None, level: float, at: float) -> None:
        """Remember a bucket at its place, or in place of the one there that was used the longest time ago."""
        if place is None:
            first = self._levels_at + (int.from_bytes(key, "little") % self._bucket_sets) * _WAYS * 3
            place = min(range(first, first + _WAYS * 3, 3), key=lambda each: self._numbers[each + 2])
            self._memory[place * _WORD : (place + 1) * _WORD] = key
        self._numbers[place + 1], self._numbers[place + 2] = level, at

    def _lock(self) -> bool:
        end = 0.0
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            except OSError:
                now = time.monotonic()
                end = end or now + _PATIENCE_SECONDS
                if now < self._distrusted_until:
                    return False
                if now >= end:
                    self._distrusted_until = now + _DISTRUST_SECONDS
                    return False
                time.sleep(_PAUSE_SECONDS)
            else:
                return True

    def _find(self, key: bytes) -> int:
        """The place of *key*; the last one of the table when it has none."""
        start = (int.from_bytes(key, "little") % self._sets) * _WAYS * _WORD
        at = _aligned(self._memory[start : start + _WAYS * _WORD], key, _WORD)
        return self._places - 1 if at < 0 else (start + at) // _WORD

    def _find_bucket(self, key: bytes) -> int | None:
        first = self._levels_at + (int.from_bytes(key, "little") % self._bucket_sets) * _WAYS * 3
        at = _aligned(self._memory[first * _WORD : (first + _WAYS * 3) * _WORD], key, _WORD * 3)
        return None if at < 0 else first + at // _WORD

    def _take_place(self, key: bytes) -> int:
        first = (int.from_bytes(key, "little") % self._sets) * _WAYS
        for place in range(first, first + _WAYS):
            if not self._sum(place):
                self._memory[place * _WORD : (place + 1) * _WORD] = key
                return place
        return self._places - 1

    def _sum(self, place: int) -> int:
        return sum(self._words[place + self._places : self._levels_at : self._places])


def _aligned(places: bytes, key: bytes, step: int) -> int:
    """Where *key* is in *places*, at a multiple of *step* bytes; -1 without it."""
    at = places.find(key)
    while at % step and at >= 0:
        at = places.find(key, at + 1)
    return at


def _power(number: int) -> int:
    """The power of two from *number* on."""
    return 1 << max(4, (number - 1).bit_length())


def _memory_file(size: int) -> int:
    """A descriptor of a file in memory that has no name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("mailseal-limits", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
