"""Test a webhook: post a sample event, composed, sealed and signed as a real one.

The message and the delivery are not stored, and the answer has no effect on the webhook.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address
from typing import Final

from relay.delivery.attempt import DeliveryContext, Endpoint, InboundSubject, composed, hand_over
from relay.delivery.outcome import WebhookAnswer
from relay.errors import NoWebhook
from relay.mail.address import Address
from relay.mail.envelope import Peer
from relay.mail.headers import split_headers
from relay.received_message import received_mail, received_message, verdict_without_checks
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey
from store.directory.agents import list_secrets
from store.ids import new_conversation_id, new_delivery_id, new_event_id, new_message_id
from store.mail.messages import as_message
from store.records.mail import Agent, AgentSecret, Delivery, Message, NewMessage, Recipient

SENDER: Final = "test@mailseal.invalid"  # RFC 6761 §6.4: an address that can never exist
_DETAIL: Final = "a test event: nobody sent it and nobody was asked"
_PEER: Final = Peer(ip=IPv4Address("127.0.0.1"), helo="localhost", tls=None, protocol="SMTP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The answer of an endpoint to a sample event."""

    event_id: str
    message_id: str  # of a message that is not stored
    url: str
    answer: WebhookAnswer


async def try_webhook(agent: Agent, *, ctx: DeliveryContext) -> Trial:
    """Post a sample ``email.received`` to the agent's webhook now.

    Raises NoWebhook, BadSecret, the store's errors.
    """
    if agent.mode != "webhook" or agent.webhook_url is None:
        raise NoWebhook
    now = ctx.clock.now()
    kept = await ctx.store.read(lambda tx: list_secrets(tx, agent.address, now=now))
    endpoint = Endpoint(url=agent.webhook_url, secrets=tuple(open_secret(each, master=ctx.master) for each in kept))
    raw = sample_mail(agent.address, at=now)
    new = _sample_message(agent, raw, kept[0], master=ctx.master, at=now)
    message = as_message(new, seq=1, conversation_id=new_conversation_id())
    delivery = _delivery(message)
    body = composed(InboundSubject(message, raw), delivery, base_url=ctx.base_url)
    answer = await hand_over(delivery, message.auth_headers, body, endpoint, at=now, ctx=ctx)
    return Trial(event_id=delivery.event_id, message_id=message.id, url=endpoint.url, answer=answer)


def sample_mail(recipient: str, *, at: datetime) -> bytes:
    """A short mail to *recipient*, dated *at*."""
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


def _sample_message(agent: Agent, raw: bytes, secret: AgentSecret, *, master: MasterKey, at: datetime) -> NewMessage:
    mail = received_mail(
        split_headers(raw),
        verdict_without_checks(SENDER.partition("@")[2], verified=False, detail=_DETAIL),
        mail_from=SENDER,
        peer=_PEER,
        sha256=sha256(raw).hexdigest(),
        size=len(raw),
        at=at,
    )
    local, _, domain = agent.address.partition("@")
    recipient = Recipient(
        address=agent.address, on_unverified=agent.on_unverified, key_id=secret.key_id, sealed=secret.sealed
    )
    return received_message(mail, Address(local, domain), recipient, message_id=new_message_id(), master=master)


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
    """The JSON of a trial, in the API and on the command line."""
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
