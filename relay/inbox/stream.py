"""An agent's events as they happen, to whoever follows: any number of them, each at a pace of its own.

What is handed out is what a webhook would be sent, signed for this moment. Nothing is marked or taken,
and no more is read ahead of a slow reader than one short page. The key and the agent are looked at
again before each page and at each sign of life: once either is gone, the stream is over.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from relay.clock import Clock
from relay.events.inbound import event_headers, message_event
from relay.inbox.pulses import Pulses
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey, Secret
from relay.threads import OFF_LOOP_BYTES
from store.directory.agents import list_secrets
from store.engine import Store
from store.errors import MessageNotFound, Unavailable
from store.mail.bodies import read_bodies, read_body
from store.mail.events_feed import (
    FeedEvent,
    Follower,
    last_place,
    list_events,
    list_pulses,
    place_before_unread,
    resumed_place,
)
from store.transaction import Tx
from store.wake import INBOX, KEYS

_PAGE: Final = 16  # events at most, and no more bytes of mail than OFF_LOOP_BYTES but for one large mail
_FRESH_SECONDS: Final = 1.0  # what is left of an older page is read again: the key may be gone
_BEATS: Final = 60  # a heartbeat is cut in as many moments, in which signs of life are given together
_HEAVY_MAILS: Final = 2  # large ones that are composed at a time, however many follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, ready to be written."""

    place: int  # to go on behind
    type: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContext:
    """What streaming needs besides the follower, joined once at the start."""

    store: Store
    clock: Clock
    master: MasterKey
    base_url: str
    heartbeat_seconds: float
    is_over: Callable[[], bool]  # every stream must end
    pulses: Pulses
    heavy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HEAVY_MAILS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Events that come next, and what they are composed of."""

    events: Sequence[FeedEvent] = ()
    place: int  # to go on behind, when all of them are handed out
    is_last: bool = True  # nothing is behind it now
    secrets: Sequence[Secret] = ()
    bodies: Mapping[str, bytes] = field(default_factory=dict)  # of short mails, by SHA-256


async def begin(agent: str, *, last_event_id: str | None, from_start: bool, ctx: StreamContext) -> int:
    """The place a stream goes on behind: that event's, the one before the oldest unread message, or now.

    Raises InvalidValue for an id that no event of this agent has had, AgentNotFound.
    """
    now = ctx.clock.now()

    def unit(tx: Tx) -> int:
        if last_event_id is not None:
            return resumed_place(tx, agent, last_event_id)
        return place_before_unread(tx, agent, now=now) if from_start else last_place(tx, agent)

    return await ctx.store.read(unit)


async def follow(follower: Follower, place: int, *, ctx: StreamContext) -> AsyncGenerator[Event | None]:
    """Every event behind *place*, in order, as it happens; None where nothing has for a while.

    Ends once the follower's key or agent is gone, and when every stream must. Raises what composing raises.
    """
    loop, woken = asyncio.get_running_loop(), True
    with ctx.store.notifier.waiting(INBOX + follower.agent, KEYS + follower.key_id) as changed:
        while not ctx.is_over():
            changed.clear()  # before looking, so that a commit in between is not slept through
            page, read_at = await _next_page(follower, place, woken=woken, ctx=ctx), loop.time()
            if page is None:
                return
            for event in page.events:
                if loop.time() - read_at > _FRESH_SECONDS:
                    break
                told = await _told(event, page, ctx=ctx)
                if told is not None:
                    yield told
                place = event.place
                del told
            else:
                place, is_last, is_sign = page.place, page.is_last, not (woken or page.events)
                del page  # a follower who waits has no mail in memory
                if is_sign:
                    yield None
                woken = not is_last or await _woken(changed, ctx.heartbeat_seconds)


async def _woken(changed: asyncio.Event, seconds: float) -> bool:
    """Whether *changed* was set within about so many seconds; many who wait are late together, to be served at once."""
    late, step = asyncio.get_running_loop().time() + seconds, seconds / _BEATS
    try:
        async with asyncio.timeout_at(ceil(late / step) * step):
            return await changed.wait()
    except TimeoutError:
        return False


async def _next_page(follower: Follower, place: int, *, woken: bool, ctx: StreamContext) -> _Page | None:
    """What comes behind *place*; None once the follower's key or agent is gone.

    Nothing while the store does not answer: the stream lives on, and looks again before long.
    """
    try:
        if not woken:
            pulse = await ctx.pulses.of(follower)
            if pulse is None or pulse.place <= place:
                return None if pulse is None else _Page(place=place)
        return await ctx.store.read(lambda tx: _read_page(tx, follower, place, ctx=ctx))
    except Unavailable:
        return _Page(place=place)


def _read_page(tx: Tx, follower: Follower, place: int, *, ctx: StreamContext) -> _Page | None:
    pulse, now = list_pulses(tx, [follower]).get(follower), ctx.clock.now()
    if pulse is None or pulse.place <= place:
        return None if pulse is None else _Page(place=place)
    found = list_events(tx, follower.agent, after=place, limit=_PAGE, now=now)
    taken = _first_few(found)
    is_last = len(taken) == len(found) < _PAGE
    secrets = list_secrets(tx, follower.agent, now=now)
    short = [event.message.raw_sha256 for event in taken if event.message.raw_size <= OFF_LOOP_BYTES]
    return _Page(
        events=[event for event in taken if event.type in pulse.types],
        place=pulse.place if is_last else taken[-1].place,
        is_last=is_last,
        secrets=[open_secret(secret, master=ctx.master) for secret in secrets],
        bodies=read_bodies(tx, short),
    )


def _first_few(events: Sequence[FeedEvent]) -> Sequence[FeedEvent]:
    """As many of *events* as are light enough to be in memory together, and one at least."""
    weight = 0
    for count, event in enumerate(events):
        weight += event.message.raw_size
        if weight > OFF_LOOP_BYTES:
            return events[: max(count, 1)]
    return events


async def _told(event: FeedEvent, page: _Page, *, ctx: StreamContext) -> Event | None:
    """The event with its bytes and signatures; None where its message has gone meanwhile."""
    message = event.message
    if message.raw_size <= OFF_LOOP_BYTES:
        await asyncio.sleep(0)  # a long backlog must not keep the others from their turn
        body = _composed(event, page.bodies[message.raw_sha256], ctx=ctx)
    else:
        try:
            body = await _composed_apart(event, ctx=ctx)
        except MessageNotFound:
            return None
    headers = event_headers(message.auth_headers, body, event_id=event.id, at=ctx.clock.now(), secrets=page.secrets)
    return Event(place=event.place, type=event.type, headers=headers, body=body)


async def _composed_apart(event: FeedEvent, *, ctx: StreamContext) -> bytes:
    async with ctx.heavy:
        raw = await ctx.store.read(lambda tx: read_body(tx, event.message.raw_sha256))
        return await asyncio.to_thread(_composed, event, raw, ctx=ctx)


def _composed(event: FeedEvent, raw: bytes, *, ctx: StreamContext) -> bytes:
    return message_event(
        event.message, raw, event_id=event.id, event_type=event.type, at=event.at, base_url=ctx.base_url
    )
