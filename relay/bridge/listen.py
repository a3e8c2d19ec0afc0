"""Listening: follow an agent's events, hand each on, and come back to the stream whenever it breaks off.

One event at a time and in order: while the program works on one, the stream waits in the socket. The
place moves on when an event is dealt with, so an event may come twice if the listener is killed in
between, under the same ``webhook-id``, and none is lost.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

from relay import backoff
from relay.bridge.forward import Forwarded
from relay.bridge.resume_point import ResumePoint
from relay.bridge.source import Source
from relay.bridge.sse import ResumeMark, SseEvent
from relay.errors import StreamCut

RECONNECT_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # the last one over and over

ForwardEvent = Callable[[SseEvent], Awaitable[Forwarded]]


async def listen(
    source: Source,
    place: ResumePoint,
    *,
    hand_on: ForwardEvent,
    say: Callable[[Forwarded], None],
    warn: Callable[[str], None],
    from_start: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Go on for ever. Raises StreamRefused when the relay will not have it, Misconfigured for a place that is lost."""
    failures = 0
    while True:
        least = 0.0
        try:
            first = from_start and place.last_id is None
            async with aclosing(source.follow(place.last_id, from_start=first)) as events:
                async for event in events:
                    failures = 0
                    await _take(event, place, hand_on=hand_on, say=say)
            reason = "the relay ended the stream"
        except StreamCut as error:
            reason, least = str(error), error.seconds
        failures += 1
        seconds = max(least, reconnect_seconds(failures, jitter=random.random()))  # noqa: S311 (spreads load)
        warn(f"{reason}; again in {seconds:.0f} s")
        await sleep(seconds)


async def _take(
    event: SseEvent | ResumeMark, place: ResumePoint, *, hand_on: ForwardEvent, say: Callable[[Forwarded], None]
) -> None:
    if isinstance(event, ResumeMark):
        place.keep(event.id)
        return
    said = await hand_on(event)
    if event.id is not None:
        place.keep(event.id)
    say(said)


def reconnect_seconds(failures: int, *, jitter: float) -> float:
    """How long to wait before coming back after so many failures in a row; *jitter* in [0, 1) is chance's part."""
    return backoff.wait(min(failures, len(RECONNECT_SECONDS)), RECONNECT_SECONDS, jitter=jitter) or 0.0
