"""Run work on a mail on the event loop, or in a thread when it is large."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

T = TypeVar("T")

_THREADS: Final = 2
HEADER_OFF_LOOP_BYTES: Final = 16 * 1024  # of a header section: its passes take several times as long per byte
OFF_LOOP_BYTES: Final = 128 * 1024  # parsing a larger mail would delay the other sessions for milliseconds
READ_OFF_LOOP_BYTES: Final = 8 * 1024  # of ordinary text that is read whole
# What costs as much to read as many bytes of text: tags, parts, members of lists, quotes, comments, odd codes.
_WEIGHTS: Final = (
    (b"<", 20), (b"://", 64), (b"\n--", 320), (b",", 16), (b'"', 8), (b"(", 8), (b"==", 16), (b"\x8e", 16),
    (b"begin", 64), (b"\n", 4),
)  # fmt: skip


async def by_size(size: int, work: Callable[[], T], *, above: int = OFF_LOOP_BYTES) -> T:
    """The result of *work* on *size* bytes of a mail; in a thread when they are more than *above*."""
    return work() if size <= above else await apart(work)


async def read_whole(raw: bytes, work: Callable[[], T]) -> T:
    """The result of *work*, which reads all of the mail *raw*; in a thread when that takes milliseconds."""
    return work() if reads_quickly(raw) else await apart(work)


def reads_quickly(raw: bytes) -> bool:
    """Whether the mail *raw* is read within a few milliseconds, however it is made."""
    left = READ_OFF_LOOP_BYTES - len(raw)
    return left >= 0 and sum(weight * raw.count(sign) for sign, weight in _WEIGHTS) <= left


async def apart(work: Callable[[], T]) -> T:
    """The result of *work*, which computes for long, in one of few threads."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@cache
def _threads() -> ThreadPoolExecutor:
    """Few threads: each that computes takes a part of the interpreter's time from the event loop."""
    return ThreadPoolExecutor(_THREADS, "mailseal-large")
