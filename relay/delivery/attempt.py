"""One attempt to deliver: compose, sign, post, and record what came of it."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from relay.clock import Clock
from relay.delivery.outcome import Answer, Dead, Delivered, Gone, Later, Outcome, outcome
from relay.delivery.post import Poster
from relay.events.inbound import event_headers, message_event
from relay.events.outbound import outbound_event
from relay.metrics import AttemptOutcome
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey, Secret
from relay.threads import OFF_LOOP_BYTES
from store.directory.agents import get_agent_by_email, list_secrets, switch_webhook_off
from store.engine import Store
from store.mail.bodies import read_bodies, read_body
from store.mail.deliveries import settle_dead, settle_delivered, settle_later
from store.mail.messages import get_messages
from store.outbound.outbound import get_outbound_messages
from store.records.mail import Attempt, Claim, Delivery, Message
from store.records.outbound import OutboundMessage
from store.transaction import Tx

_WORDS: Final[dict[type[Outcome], AttemptOutcome]] = {
    Delivered: "delivered",
    Later: "later",
    Dead: "dead",
    Gone: "gone",
}
log = structlog.get_logger("relay.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an agent's events go, and what signs them."""

    url: str
    secrets: tuple[Secret, ...]  # the current one first


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and its bytes."""

    message: Message
    raw: bytes  # empty for a large mail, whose bytes are read only when it is its turn


@dataclass(frozen=True, slots=True)
class Report:
    """A mail of the agent's own, of which there is something to tell."""

    message: OutboundMessage


Matter = Letter | Report
"""What an event is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterbox:
    """What delivering needs besides the claim, joined once at the start."""

    store: Store
    poster: Poster
    clock: Clock
    master: MasterKey
    base_url: str
    retry_seconds: Sequence[float]
    heavy: asyncio.Semaphore  # how many large mails may be in memory at once
    count: Callable[[AttemptOutcome], None]


async def read_endpoint(agent: str, *, by: Letterbox) -> Endpoint:
    """The agent's endpoint as it is now. Raises AgentNotFound, BadSecret."""

    def unit(tx: Tx) -> Endpoint:
        url = get_agent_by_email(tx, agent).webhook_url or ""
        kept = list_secrets(tx, agent, now=by.clock.now())
        return Endpoint(url=url, secrets=tuple(open_secret(secret, master=by.master) for secret in kept))

    return await by.store.read(unit)


async def read_matters(claims: Sequence[Claim], *, by: Letterbox) -> dict[str, Matter]:
    """The messages the claims are about, by message id; of a large one the bytes are left for later."""
    wanted = [claim.delivery.message_id for claim in claims if claim.delivery.message_id]

    def unit(tx: Tx) -> dict[str, Matter]:
        messages = get_messages(tx, wanted)
        written = get_outbound_messages(tx, [each for each in wanted if each not in messages])
        short = [message.raw_sha256 for message in messages.values() if message.raw_size <= OFF_LOOP_BYTES]
        contents = read_bodies(tx, short)
        letters = {key: Letter(message, contents.get(message.raw_sha256, b"")) for key, message in messages.items()}
        return letters | {key: Report(message) for key, message in written.items()}

    return await by.store.read(unit)


async def attempt(claim: Claim, matter: Matter, endpoint: Endpoint, *, by: Letterbox) -> Outcome:
    """Post the claimed event once, record the outcome and answer it. Raises the store's errors."""
    delivery = claim.delivery
    if isinstance(matter, Report):
        body, seal = _report(matter, delivery), {}
    elif matter.message.raw_size <= OFF_LOOP_BYTES:
        body, seal = composed(matter, delivery, base_url=by.base_url), matter.message.auth_headers
    else:
        body, seal = await _composed_large(matter.message, delivery, by=by), matter.message.auth_headers
    at = by.clock.now()
    answer = await hand_over(delivery, seal, body, endpoint, at=at, by=by)
    return await record(claim, answer, at, endpoint, by=by)


async def hand_over(
    delivery: Delivery, seal: dict[str, str], body: bytes, endpoint: Endpoint, *, at: datetime, by: Letterbox
) -> Answer:
    """Post *body* once with the message's *seal*, signed for the time *at*; answers what came back.

    Raises nothing of the network's.
    """
    headers = event_headers(seal, body, event_id=delivery.event_id, at=at, secrets=endpoint.secrets)
    return await by.poster.post(endpoint.url, headers, body)


def composed(letter: Letter, delivery: Delivery, *, base_url: str) -> bytes:
    """The bytes of an event about a mail that came in, as they are signed and sent."""
    return message_event(
        letter.message,
        letter.raw,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        at=delivery.created_at,
        base_url=base_url,
    )


async def _composed_large(message: Message, delivery: Delivery, *, by: Letterbox) -> bytes:
    async with by.heavy:
        raw = await by.store.read(lambda tx: read_body(tx, message.raw_sha256))
        return await asyncio.to_thread(composed, Letter(message, raw), delivery, base_url=by.base_url)


def _report(report: Report, delivery: Delivery) -> bytes:
    return outbound_event(
        report.message,
        delivery.details,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        at=delivery.created_at,
    )


async def record(claim: Claim, answer: Answer, at: datetime, endpoint: Endpoint, *, by: Letterbox) -> Outcome:
    """Write down what came of an attempt made *at*, and say so in the log."""
    now = by.clock.now()
    delivery = claim.delivery
    decided = outcome(
        answer,
        delivery.attempts + 1,
        by.retry_seconds,
        now=now,
        jitter=random.random(),  # noqa: S311 (spreads load, keeps no secret)
        since=delivery.created_at,
    )
    tried = Attempt(at=at, duration_ms=answer.duration_ms, status=answer.status, error=answer.error)
    await by.store.write(lambda tx: _settle(tx, claim, tried, decided, url=endpoint.url, now=now))
    by.count(_WORDS[type(decided)])
    _tell(claim, tried, decided)
    return decided


def _settle(tx: Tx, claim: Claim, tried: Attempt, decided: Outcome, *, url: str, now: datetime) -> None:
    match decided:
        case Delivered():
            settle_delivered(tx, claim, tried, now=now)
        case Later(at=due_at):
            settle_later(tx, claim, tried, due_at=due_at)
        case Dead():
            settle_dead(tx, claim, tried, now=now)
        case Gone():
            settle_dead(tx, claim, tried, now=now)
            switch_webhook_off(tx, claim.delivery.agent, url=url, now=now)


def _tell(claim: Claim, tried: Attempt, decided: Outcome) -> None:
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
            log.info("delivered", **facts)
        case Later(at=due_at):
            log.info("put off", until=due_at.isoformat(), **facts)
        case Dead():
            log.warning("dead", **facts)
        case Gone():
            log.warning("dead", webhook="switched off", **facts)
