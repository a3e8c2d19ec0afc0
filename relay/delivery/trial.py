"""A sample event, handed to an agent's webhook in the very way of a real one.

Same composing, same seal, same signature, same rule for addresses; only nothing is kept: no message,
no delivery, and no consequence of what comes back.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from relay.auth.verdict import ArcResult, DmarcResult, SpfResult, Verdict
from relay.delivery.attempt import DeliveryContext, Endpoint, InboundSubject, composed, hand_over
from relay.delivery.outcome import WebhookAnswer
from relay.errors import NoWebhook
from relay.signing.agent_secret import open_secret
from relay.signing.seal import Statement, seal
from store.directory.agents import list_secrets
from store.ids import new_conversation_id, new_delivery_id, new_event_id, new_message_id
from store.records.mail import Agent, AgentSecret, Delivery, Message

SENDER: Final = "test@mailseal.invalid"  # RFC 6761 §6.4: never anybody's
_DETAIL: Final = "a test event: nobody sent it and nobody was asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an endpoint said to a sample event."""

    event_id: str
    message_id: str  # of a message that is not kept
    url: str
    answer: WebhookAnswer


async def try_webhook(agent: Agent, *, ctx: DeliveryContext) -> Trial:
    """Post a sample ``email.received`` to the agent's webhook now. Raises NoWebhook, BadSecret, the store's errors."""
    if agent.mode != "webhook" or agent.webhook_url is None:
        raise NoWebhook
    now = ctx.clock.now()
    kept = await ctx.store.read(lambda tx: list_secrets(tx, agent.address, now=now))
    endpoint = Endpoint(url=agent.webhook_url, secrets=tuple(open_secret(each, master=ctx.master) for each in kept))
    raw = sample_mail(agent.address, at=now)
    letter = InboundSubject(_sealed(agent.address, raw, kept[0], endpoint, at=now), raw)
    delivery = _delivery(letter.message)
    body = composed(letter, delivery, base_url=ctx.base_url)
    answer = await hand_over(delivery, letter.message.auth_headers, body, endpoint, at=now, ctx=ctx)
    return Trial(event_id=delivery.event_id, message_id=letter.message.id, url=endpoint.url, answer=answer)


def sample_mail(recipient: str, *, at: datetime) -> bytes:
    """A short mail to *recipient*."""
    fields = (
        f"Return-Path: <{SENDER}>",
        f"From: Mailseal <{SENDER}>",
        f"To: <{recipient}>",
        "Subject: A test event",
        f"Message-ID: <{int(at.timestamp())}.{SENDER}>",
        f"Date: {at:%a, %d %b %Y %H:%M:%S} +0000",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
    )
    return ("\r\n".join(fields) + "\r\n\r\nIf you can read this, the webhook works.\r\n").encode()


def _sealed(agent: str, raw: bytes, secret: AgentSecret, endpoint: Endpoint, *, at: datetime) -> Message:
    verdict, message_id, digest = _nobody_s(), new_message_id(), sha256(raw).hexdigest()
    statement = Statement(
        message_id=message_id,
        recipient=agent,
        sender=SENDER,
        envelope_from=SENDER,
        entity_type="human",
        delegation="",
        verified=False,
        verified_domain=None,
        domain_check=verdict.domain_check,
        timestamp=at,
        body_hash=digest,
        key_id=secret.key_id,
    )
    return Message(
        id=message_id,
        agent=agent,
        seq=1,
        direction="inbound",
        status="unread",
        conversation_id=new_conversation_id(),
        recipient=agent,
        tag=None,
        mail_from=SENDER,
        remote_ip="127.0.0.1",
        helo="localhost",
        tls=None,
        from_name="Mailseal",
        from_address=SENDER,
        subject="A test event",
        email_message_id=f"{int(at.timestamp())}.{SENDER}",
        automated=False,
        verified=False,
        verified_domain=None,
        authentication=verdict.to_dict(),
        auth_headers=seal(statement, endpoint.secrets[0]),
        raw_sha256=digest,
        raw_size=len(raw),
        received_at=at,
    )


def _nobody_s() -> Verdict:
    return Verdict(
        verified=False,
        verified_domain=None,
        header_from=SENDER.partition("@")[2],
        spf=SpfResult(result="none", domain=None, aligned=False, detail=_DETAIL),
        dkim=(),
        dmarc=DmarcResult(result="none", policy=None, domain=None, detail=_DETAIL),
        arc=ArcResult(result="none", sealer=None, detail=_DETAIL),
    )


def _delivery(message: Message) -> Delivery:
    return Delivery(
        id=new_delivery_id(),
        event_id=new_event_id(),
        event_type="email.received",
        agent=message.agent,
        message_id=message.id,
        status="pending",
        attempts=0,
        due_at=message.received_at,
        created_at=message.received_at,
        settled_at=None,
        last_status=None,
        last_error=None,
    )


def trial_document(trial: Trial) -> dict[str, object]:
    """What the API and ``--json`` show."""
    status = trial.answer.status
    return {
        "event_id": trial.event_id,
        "message_id": trial.message_id,
        "webhook_url": trial.url,
        "delivered": status is not None and 200 <= status < 300,
        "status": status,
        "error": trial.answer.error,
        "duration_ms": trial.answer.duration_ms,
    }
