"""Make one attempt to deliver an event to a webhook, and record its outcome."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from relay.clock import Clock
from relay.delivery.outcome import Dead, Delivered, EndpointGone, Outcome, Retry, WebhookAnswer, outcome
from relay.delivery.post import Poster
from relay.errors import LeaseTooShort
from relay.events.inbound import event_headers, message_event
from relay.events.outbound import outbound_event
from relay.events.reading import MailReading
from relay.metrics import AttemptOutcome, CountBound, uncounted_bound
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey, Secret
from relay.threads import OFF_LOOP_BYTES, apart, read_whole
from store.directory.agents import get_agent_by_email, list_secrets, switch_webhook_off
from store.engine import Store
from store.errors import StoreError, Unavailable
from store.mail.bodies import read_bodies, read_body
from store.mail.deliveries import settle_dead, settle_delivered, settle_retry
from store.mail.messages import get_messages
from store.outbound.outbound import get_outbound_messages
from store.records.mail import Attempt, Claim, Delivery, Message
from store.records.outbound import OutboundMessage
from store.transaction import Tx

_LABELS: Final[dict[type[Outcome], AttemptOutcome]] = {
    Delivered: "delivered",
    Retry: "later",
    Dead: "dead",
    EndpointGone: "gone",
}
LOST: Final = "given up: each attempt ended without a result"
UNRECORDABLE: Final = "the answer could not be recorded"
log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An agent's webhook: its URL and the secrets that sign its events."""

    url: str
    secrets: tuple[Secret, ...]  # the current one first
    is_on: bool = True  # False when the agent polls, and after a 410
    key_id: str = ""  # of the current secret
    until: datetime | None = None  # when the first of the secrets expires


@dataclass(frozen=True, slots=True)
class InboundSubject:
    """A received message and its bytes."""

    message: Message
    raw: bytes | MailReading  # empty for a large mail, whose bytes are read when it is posted


@dataclass(frozen=True, slots=True)
class OutboundSubject:
    """A message the agent sent, that an event reports on."""

    message: OutboundMessage


EventSubject = InboundSubject | OutboundSubject
"""The message that an event reports on."""

Record = Callable[[Claim, WebhookAnswer, datetime, Endpoint], Awaitable[Outcome]]
"""Decides and records the outcome of an attempt made at that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryContext:
    """Collaborators of delivery, joined once at the start."""

    store: Store
    poster: Poster
    clock: Clock
    master: MasterKey
    base_url: str
    retry_seconds: Sequence[float]
    heavy: asyncio.Semaphore  # bounds the large mails in memory
    count: Callable[[AttemptOutcome, float], None]  # with the seconds since the event
    count_bound: CountBound = uncounted_bound


async def read_endpoint(agent: str, *, ctx: DeliveryContext) -> Endpoint:
    """The agent's endpoint as it is now. Raises AgentNotFound, BadSecret."""

    def unit(tx: Tx) -> Endpoint:
        found = get_agent_by_email(tx, agent)
        kept = list_secrets(tx, agent, now=ctx.clock.now())
        return Endpoint(
            url=found.webhook_url or "",
            secrets=tuple(open_secret(secret, master=ctx.master) for secret in kept),
            is_on=found.mode == "webhook" and found.webhook_off_at is None,
            key_id=kept[0].key_id if kept else "",
            until=min((secret.expires_at for secret in kept if secret.expires_at), default=None),
        )

    return await ctx.store.read(unit)


async def read_subjects(claims: Sequence[Claim], *, ctx: DeliveryContext) -> dict[str, EventSubject]:
    """The messages of the claimed events, by message id.

    The bytes of large ones are not read yet.
    """
    wanted = [claim.delivery.message_id for claim in claims if claim.delivery.message_id]

    def unit(tx: Tx) -> dict[str, EventSubject]:
        messages = get_messages(tx, wanted)
        written = get_outbound_messages(tx, [each for each in wanted if each not in messages])
        short = [message.raw_sha256 for message in messages.values() if message.raw_size <= OFF_LOOP_BYTES]
        contents = read_bodies(tx, short)
        inbound = {
            key: InboundSubject(message, contents.get(message.raw_sha256, b"")) for key, message in messages.items()
        }
        return inbound | {key: OutboundSubject(message) for key, message in written.items()}

    return await ctx.store.read(unit)


async def attempt(
    claim: Claim, subject: EventSubject, endpoint: Endpoint, *, ctx: DeliveryContext, recording: Record | None = None
) -> Outcome:
    """Post the claimed event once, record the outcome, by *recording* where given, and return it.

    Raises the store's errors. Raises LeaseTooShort: the claim could end before the post does.
    """
    delivery = claim.delivery
    if isinstance(subject, OutboundSubject):
        body, seal = _composed_outbound(subject, delivery), {}
    elif subject.message.raw_size <= OFF_LOOP_BYTES:
        raw = subject.raw.raw if isinstance(subject.raw, MailReading) else subject.raw
        body = await read_whole(raw, lambda: composed(subject, delivery, base_url=ctx.base_url))
        seal = subject.message.auth_headers
    else:
        body, seal = await _composed_large(subject.message, delivery, ctx=ctx), subject.message.auth_headers
    at = ctx.clock.now()
    # A large mail may have waited long for its turn, and this process may have been frozen.
    if (claim.until - at).total_seconds() < ctx.poster.total_seconds:
        raise LeaseTooShort
    answer = await hand_over(delivery, seal, body, endpoint, at=at, ctx=ctx)
    if recording is not None:
        return await recording(claim, answer, at, endpoint)
    return await record(claim, answer, at, endpoint, ctx=ctx)


async def hand_over(
    delivery: Delivery, seal: dict[str, str], body: bytes, endpoint: Endpoint, *, at: datetime, ctx: DeliveryContext
) -> WebhookAnswer:
    """Post *body* once with its *seal*, signed for *at*; returns the answer.

    Never raises a network error: it is part of the answer.
    """
    headers = event_headers(seal, body, event_id=delivery.event_id, at=at, secrets=endpoint.secrets)
    return await ctx.poster.post(endpoint.url, headers, body)


def composed(subject: InboundSubject, delivery: Delivery, *, base_url: str) -> bytes:
    """The JSON of an event about a received message, as it is signed and sent."""
    return message_event(
        subject.message,
        subject.raw,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        at=delivery.created_at,
        base_url=base_url,
    )


async def _composed_large(message: Message, delivery: Delivery, *, ctx: DeliveryContext) -> bytes:
    async with ctx.heavy:
        raw = await ctx.store.read(lambda tx: read_body(tx, message.raw_sha256))
        return await apart(lambda: composed(InboundSubject(message, raw), delivery, base_url=ctx.base_url))


def _composed_outbound(subject: OutboundSubject, delivery: Delivery) -> bytes:
    return outbound_event(
        subject.message,
        delivery.details,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        at=delivery.created_at,
    )


def decide(claim: Claim, answer: WebhookAnswer, *, ctx: DeliveryContext) -> Outcome:
    """What follows from the *answer* to a claimed event."""
    return outcome(
        answer,
        claim.delivery.attempts + 1,
        ctx.retry_seconds,
        now=ctx.clock.now(),
        jitter=random.random(),  # noqa: S311 (spreads load, keeps no secret)
        since=claim.delivery.created_at,
    )


async def record(
    claim: Claim,
    answer: WebhookAnswer,
    at: datetime,
    endpoint: Endpoint,
    *,
    ctx: DeliveryContext,
    decided: Outcome | None = None,
) -> Outcome:
    """Store and log the outcome of an attempt made *at*, and return it; *decided* is what ``decide`` returned."""
    now = ctx.clock.now()
    decided = decided or decide(claim, answer, ctx=ctx)
    tried = Attempt(at=at, duration_ms=answer.duration_ms, status=answer.status, error=answer.error)
    try:
        await ctx.store.write(lambda tx: _settle(tx, claim, tried, decided, url=endpoint.url, now=now))
    except Unavailable:
        raise  # the post counts as not made, and is made again when the claim's lease ends
    except StoreError:
        # A post that the store refuses to record would be made again without end: record it without its details.
        log.exception("attempt_not_recordable", delivery_id=claim.delivery.id, status=answer.status)
        tried = Attempt(at=at, duration_ms=answer.duration_ms, status=None, error=UNRECORDABLE)
        await ctx.store.write(lambda tx: _settle(tx, claim, tried, decided, url=endpoint.url, now=now))
    note_outcome(claim, tried, decided, now=now, ctx=ctx)
    return decided


def note_outcome(claim: Claim, tried: Attempt, decided: Outcome, *, now: datetime, ctx: DeliveryContext) -> None:
    """Count and log an outcome that was recorded."""
    ctx.count(_LABELS[type(decided)], (now - claim.delivery.created_at).total_seconds())
    _log_outcome(claim, tried, decided)


async def give_up(claim: Claim, *, ctx: DeliveryContext) -> None:
    """End a delivery whose claims were lost again and again: what is posted, or its posting, ends the worker."""
    now = ctx.clock.now()
    tried = Attempt(at=now, duration_ms=0, status=None, error=LOST)
    await ctx.store.write(lambda tx: settle_dead(tx, claim, tried, now=now))
    ctx.count_bound("delivery_claims")
    note_outcome(claim, tried, Dead(LOST), now=now, ctx=ctx)


def _settle(tx: Tx, claim: Claim, tried: Attempt, decided: Outcome, *, url: str, now: datetime) -> None:
    match decided:
        case Delivered():
            settle_delivered(tx, claim, tried, now=now)
        case Retry(at=due_at):
            settle_retry(tx, claim, tried, due_at=due_at)
        case Dead():
            settle_dead(tx, claim, tried, now=now)
        case EndpointGone():
            settle_dead(tx, claim, tried, now=now)
            switch_webhook_off(tx, claim.delivery.agent, url=url, now=now)


def _log_outcome(claim: Claim, tried: Attempt, decided: Outcome) -> None:
    delivery = claim.delivery
    facts = {
        "message_id": delivery.message_id,
        "agent": delivery.agent,
        "delivery_id": delivery.id,
        "attempt": delivery.attempts + 1,
        "status": tried.status,
        "error": tried.error,
        "duration_ms": tried.duration_ms,
    }
    match decided:
        case Delivered():
            log.info("delivery_succeeded", **facts)
        case Retry(at=due_at):
            log.info("delivery_deferred", until=due_at.isoformat(), **facts)
        case Dead():
            log.warning("delivery_dead", **facts)
        case EndpointGone():
            log.warning("delivery_dead", webhook="disabled", **facts)
