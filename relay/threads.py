"""Run work on a mail on the event loop, or in a thread when it is large."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

OFF_LOOP_BYTES: Final = 128 * 1024  # parsing a larger mail would delay the other sessions for milliseconds


async def by_size(size: int, work: Callable[[], T]) -> T:
    """The result of *work* on a mail of *size* bytes.

    In a thread above OFF_LOOP_BYTES.
    """
    return work() if size <= OFF_LOOP_BYTES else await asyncio.to_thread(work)
