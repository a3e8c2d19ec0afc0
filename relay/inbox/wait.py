"""Long polling: query, and query again when a commit notifies of a change.

A waiting request does not query the database, so a thousand of them cost only their connections. Commits of
this process notify directly; store/database/pg_listener.py announces those of other processes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import TypeVar

from store.wake import INBOX, Notifier

T = TypeVar("T")


async def never_left() -> bool:
    """The *has_left* of a caller that cannot disconnect: never."""
    return False


def only_by_commit(_seen: object) -> float:
    """The *again* of a query whose result changes only by a commit: never."""
    return inf


async def wait_for(
    look: Callable[[], Awaitable[T]],
    found: Callable[[T], bool],
    *,
    agent: str,
    wait_seconds: float,
    notifier: Notifier,
    has_left: Callable[[], Awaitable[bool]] = never_left,
    again: Callable[[T], float] = only_by_commit,
) -> T:
    """Call *look* until *found(result)* is true; return the last result.

    It ends after *wait_seconds* at the latest, and once *has_left* returns true: a lease must not be taken for a
    disconnected client. *again* returns, for a result, the seconds after which *look* is called again without a
    commit.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    has_waited = False
    with notifier.waiting(INBOX + agent) as changed:
        while True:
            changed.clear()  # before the query, so that a commit in between is not missed
            value = await look()
            left = deadline - loop.time()
            if found(value) or left <= 0:
                if has_waited:
                    await has_left()  # raises if the caller's right ended before the query
                return value
            has_waited = True
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, again(value))):
                    await changed.wait()
            if await has_left():
                return value
