"""Long polling: look, and if there is nothing yet, look again when a commit says so."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from store.wake import INBOX, Bell

T = TypeVar("T")

LOOK_AGAIN_SECONDS: Final = 5.0  # another process on SQLite cannot wake this one


async def nobody_left() -> bool:
    """Whether an asker who cannot hang up has done so."""
    return False


async def wait_for(
    look: Callable[[], Awaitable[T]],
    found: Callable[[T], bool],
    *,
    agent: str,
    wait_seconds: float,
    bell: Bell,
    has_left: Callable[[], Awaitable[bool]] = nobody_left,
) -> T:
    """What *look* answers as soon as *found* likes it, or its last answer after *wait_seconds*.

    Once *has_left* says that the asker hung up, nothing is looked at any more: a lease would be taken for nobody.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    with bell.waiting(INBOX + agent) as changed:
        while True:
            changed.clear()  # before looking, so that a commit in between is not slept through
            value = await look()
            left = deadline - loop.time()
            if found(value) or left <= 0:
                return value
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_AGAIN_SECONDS)):
                    await changed.wait()
            if await has_left():
                return value
