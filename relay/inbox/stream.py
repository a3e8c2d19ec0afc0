"""Stream an agent's events as they happen, to any number of followers.

Each event has the body and the headers that a webhook would get, signed for this moment. A stream marks no
message and reads at most one short page ahead of a slow follower. The key and the agent are checked before each
page and at each heartbeat: the stream ends once one of them is deleted.
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
from relay.threads import OFF_LOOP_BYTES, apart, read_whole
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

_PAGE: Final = 16  # events at most, with OFF_LOOP_BYTES of mail at most, or one large mail
_FRESH_SECONDS: Final = 1.0  # the rest of an older page is read again: the key may be deleted
_BEATS: Final = 60  # steps of a heartbeat interval: followers due in the same step share one query
_HEAVY_MAILS: Final = 2  # composed at a time, for all followers


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, ready to send."""

    place: int  # the stream continues after it
    type: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContext:
    """Collaborators of streaming, joined once at the start."""

    store: Store
    clock: Clock
    master: MasterKey
    base_url: str
    heartbeat_seconds: float
    is_over: Callable[[], bool]  # whether all streams must end
    pulses: Pulses
    heavy: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_HEAVY_MAILS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The next events, and the secrets and bytes to compose them from."""

    events: Sequence[FeedEvent] = ()
    place: int  # the stream continues after it, once all events are sent
    is_last: bool = True  # no event is after it now
    secrets: Sequence[Secret] = ()
    bodies: Mapping[str, bytes] = field(default_factory=dict)  # of short mails, by SHA-256


async def begin(agent: str, *, last_event_id: str | None, from_start: bool, ctx: StreamContext) -> int:
    """The place after which a stream begins.

    It is that of *last_event_id*, the place before the oldest unread message, or the last place.

    Raises InvalidValue for an id that no event of this agent has; AgentNotFound.
    """
    now = ctx.clock.now()

    def unit(tx: Tx) -> int:
        if last_event_id is not None:
            return resumed_place(tx, agent, last_event_id)
        return place_before_unread(tx, agent, now=now) if from_start else last_place(tx, agent)

    return await ctx.store.read(unit)


async def follow(follower: Follower, place: int, *, ctx: StreamContext) -> AsyncGenerator[Event | None]:
    """Each event after *place*, in order; None as a heartbeat.

    Ends once the follower's key or agent is deleted, or when all streams must end. Raises BadSecret, Unavailable.
    """
    loop, woken = asyncio.get_running_loop(), True
    with ctx.store.notifier.waiting(INBOX + follower.agent, KEYS + follower.key_id) as changed:
        while not ctx.is_over():
            changed.clear()  # before the query, so that a commit in between is not missed
            page, read_at = await _next_page(follower, place, woken=woken, ctx=ctx), loop.time()
            if page is None:
                return
            for event in page.events:
                if loop.time() - read_at > _FRESH_SECONDS:
                    break
                ready = await _composed_event(event, page, ctx=ctx)
                if ready is not None:
                    yield ready
                place = event.place
                del ready
            else:
                place, is_last, is_sign = page.place, page.is_last, not (woken or page.events)
                del page  # a waiting follower holds no mail in memory
                if is_sign:
                    yield None
                woken = not is_last or await _woken(changed, ctx.heartbeat_seconds)


async def _woken(changed: asyncio.Event, seconds: float) -> bool:
    """Whether *changed* was set within about *seconds*.

    The time is rounded, so that waiting followers time out together.
    """
    late, step = asyncio.get_running_loop().time() + seconds, seconds / _BEATS
    try:
        async with asyncio.timeout_at(ceil(late / step) * step):
            return await changed.wait()
    except TimeoutError:
        return False


async def _next_page(follower: Follower, place: int, *, woken: bool, ctx: StreamContext) -> _Page | None:
    """The page after *place*; None once the follower's key or agent is deleted.

    The page is empty while the store does not answer: the stream continues and tries again.
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
    """The first of *events* that fit into memory together, and at least one."""
    weight = 0
    for count, event in enumerate(events):
        weight += event.message.raw_size
        if weight > OFF_LOOP_BYTES:
            return events[: max(count, 1)]
    return events


async def _composed_event(event: FeedEvent, page: _Page, *, ctx: StreamContext) -> Event | None:
    """The event with its body and signatures.

    None when its message was deleted meanwhile.
    """
    message = event.message
    if message.raw_size <= OFF_LOOP_BYTES:
        await asyncio.sleep(0)  # a long backlog must not delay other tasks
        raw = page.bodies[message.raw_sha256]
        body = await read_whole(raw, lambda: _composed(event, raw, ctx=ctx))
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
        return await apart(lambda: _composed(event, raw, ctx=ctx))


def _composed(event: FeedEvent, raw: bytes, *, ctx: StreamContext) -> bytes:
    return message_event(
        event.message, raw, event_id=event.id, event_type=event.type, at=event.at, base_url=ctx.base_url
    )
