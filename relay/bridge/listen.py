"""Follow an agent's event stream, forward each event, reconnect after failures.

One event at a time and in order: while the program handles one, the stream waits in the socket. The
resume point advances after an event was forwarded, so if the listener is killed in between, an event can be
forwarded twice, under the same ``webhook-id``, and none is lost.
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

RECONNECT_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # the last one repeats

ForwardEvent = Callable[[SseEvent], Awaitable[Forwarded]]


async def listen(
    source: Source,
    resume_point: ResumePoint,
    *,
    forward_event: ForwardEvent,
    report: Callable[[Forwarded], None],
    warn: Callable[[str], None],
    from_start: bool = False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Forward events until cancelled.

    Raises StreamRefused: the relay refuses the stream. Raises Misconfigured: the resume point cannot be stored.
    """
    failures = 0
    while True:
        minimum = 0.0
        try:
            first = from_start and resume_point.last_id is None
            async with aclosing(source.follow(resume_point.last_id, from_start=first)) as events:
                async for event in events:
                    failures = 0
                    await _forward(event, resume_point, forward_event=forward_event, report=report)
            reason = "the relay ended the stream"
        except StreamCut as error:
            reason, minimum = str(error), error.seconds
        failures += 1
        seconds = max(minimum, reconnect_seconds(failures, jitter=random.random()))  # noqa: S311 (spreads load)
        warn(f"{reason}; reconnecting in {seconds:.0f} s")
        await sleep(seconds)


async def _forward(
    event: SseEvent | ResumeMark,
    resume_point: ResumePoint,
    *,
    forward_event: ForwardEvent,
    report: Callable[[Forwarded], None],
) -> None:
    if isinstance(event, ResumeMark):
        resume_point.keep(event.id)
        return
    result = await forward_event(event)
    if event.id is not None:
        resume_point.keep(event.id)
    report(result)


def reconnect_seconds(failures: int, *, jitter: float) -> float:
    """Delay before the next connection after *failures* failures in a row.

    *jitter* in [0, 1) is a random number.
    """
    return backoff.wait(min(failures, len(RECONNECT_SECONDS)), RECONNECT_SECONDS, jitter=jitter) or 0.0
