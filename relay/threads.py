"""Parsing a mail where it hurts nobody: here while it is small, on another thread once it is large."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

OFF_LOOP_BYTES: Final = 128 * 1024  # a mail above this would hold the other sessions up for milliseconds


async def by_size(size: int, work: Callable[[], T]) -> T:
    """What *work* on a mail of *size* bytes answers."""
    return work() if size <= OFF_LOOP_BYTES else await asyncio.to_thread(work)
