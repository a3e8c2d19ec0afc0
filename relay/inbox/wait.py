"""Long polling: look, and if there is nothing yet, look again when a commit says so.

Whoever waits asks the database nothing meanwhile, so a thousand of them cost no more than their
connections: this process's own commits ring, and store/database/pg_listener.py brings those of others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import TypeVar

from store.wake import INBOX, Notifier

T = TypeVar("T")


async def nobody_left() -> bool:
    """Whether an asker who cannot hang up has done so."""
    return False


def only_by_commit(_seen: object) -> float:
    """After how many seconds something may be there that no commit told of: never."""
    return inf


async def wait_for(
    look: Callable[[], Awaitable[T]],
    found: Callable[[T], bool],
    *,
    agent: str,
    wait_seconds: float,
    notifier: Notifier,
    has_left: Callable[[], Awaitable[bool]] = nobody_left,
    again: Callable[[T], float] = only_by_commit,
) -> T:
    """What *look* answers as soon as *found* likes it, or its last answer after *wait_seconds*.

    Once *has_left* says that the asker hung up, nothing is looked at any more: a lease would be taken for nobody.
    *again* tells of an answer after how many seconds to look again though nothing was committed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    with notifier.waiting(INBOX + agent) as changed:
        while True:
            changed.clear()  # before looking, so that a commit in between is not slept through
            value = await look()
            left = deadline - loop.time()
            if found(value) or left <= 0:
                return value
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, again(value))):
                    await changed.wait()
            if await has_left():
                return value
