"""Start what may not be startable yet, and wait for what time mends.

A PostgreSQL server that is not there yet, an address that another process still uses, a store that is being moved:
each try is logged with its cause and told to systemd. What a person must change ends the start at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from relay.errors import Deferred
from relay.systemd import notify_systemd
from relay.tasks import rest
from store.errors import Unavailable, words_of

T = TypeVar("T")
FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 15.0
_ROOM_SECONDS: Final = 60  # for one try, beyond the wait before it
log = structlog.get_logger("relay.daemon")


async def start_patiently(
    start: Callable[[], Awaitable[T]], *, stop: asyncio.Event, first_seconds: float = FIRST_SECONDS
) -> T | None:
    """What *start* returns, once it succeeds; None if *stop* is set meanwhile.

    Raises what *start* raises, except Unavailable and Deferred: after these it is tried again, 1 to 15 s later.
    """
    seconds = first_seconds
    while not stop.is_set():
        try:
            return await start()
        except (Unavailable, Deferred) as error:
            tell_wait(error, seconds)
        await rest(stop, seconds)
        seconds = min(seconds * 2, MOST_SECONDS)
    return None


def tell_wait(error: Exception, seconds: float) -> None:
    """Log *error* and tell it to the service manager, with the time until the next try."""
    log.warning("start_waits", cause=words_of(error), error=type(error).__name__, again_in_seconds=seconds)
    extension = int((seconds + _ROOM_SECONDS) * 1_000_000)
    notify_systemd(f"STATUS=Waiting: {words_of(error)}; again in {seconds:g} s", f"EXTEND_TIMEOUT_USEC={extension}")
