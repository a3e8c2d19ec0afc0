"""Deliver outbound mail to agents of this relay, without a provider.

Only mail of this path is sealed with ``Entity-Type: agent``. Mail received by SMTP is sealed as human,
regardless of its headers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from relay.auth.results import submitted_results
from relay.mail.address import Address, parse_mailbox
from relay.mail.headers import split_headers
from relay.mail.trace import received_inside, return_path
from relay.outbound.context import SendContext
from relay.received_message import ReceivedMail, received_mail, received_message, verdict_without_checks
from store.directory.agents import get_agent_by_email, lookup_recipient
from store.ids import new_message_id
from store.mail.bodies import keep_content, read_body
from store.mail.messages import create_inbound_message
from store.outbound.feedback import record_feedback
from store.outbound.outbound import resolve_outbound_owner
from store.records.feedback import Feedback
from store.records.mail import Recipient
from store.records.outbound import OutboundMessage
from store.transaction import Tx

_DETAIL: Final = "handed in by an agent of this relay, whose owner proved the domain here: nothing was looked up"


@dataclass(frozen=True, slots=True)
class _LocalMail:
    """One outbound mail as its local recipients receive it."""

    mail: ReceivedMail
    raw: bytes  # with our trace fields in front


def is_local(tx: Tx, address: str, *, ctx: SendContext) -> bool:
    """Whether an agent of this relay receives mail for *address*."""
    return _recipient(tx, parse_mailbox(address), ctx=ctx) is not None


def outside(tx: Tx, recipients: Sequence[str], *, ctx: SendContext) -> list[str]:
    """Those of *recipients* that are no agents of this relay.

    A provider must carry their mail.
    """
    return [address for address in recipients if not is_local(tx, address, ctx=ctx)]


def deliver_locally(tx: Tx, message: OutboundMessage, *, ctx: SendContext) -> None:
    """Store *message* for each recipient that is an agent of this relay.

    This is done in the transaction that marks it sent.
    So each local recipient receives it once. Two kinds of message are skipped: one from a domain that its owner
    has not verified, as it would be delivered as verified; and an imported one that was never composed here, as
    another relay sent it.
    """
    if message.digest is None or not get_agent_by_email(tx, message.agent).domain_verified:
        return
    addresses = [parse_mailbox(address) for address in message.all_recipients]
    found = [(address, _recipient(tx, address, ctx=ctx)) for address in addresses]
    local = [(address, recipient) for address, recipient in found if recipient is not None]
    if not local:
        return
    composed = _local_mail(tx, message, ctx=ctx)
    mail = composed.mail
    keep_content(tx, mail.sha256, composed.raw, now=mail.received_at)
    # Sorted, so that two mails to the same agents lock their rows in the same order and cannot deadlock.
    for address, recipient in sorted(local, key=lambda each: each[1].address):
        new = received_message(mail, address, recipient, message_id=new_message_id(), master=ctx.master)
        create_inbound_message(tx, new)
        told = Feedback(event_id=new.id, kind="delivered", recipient=str(address), detail="inside", at=mail.received_at)
        record_feedback(tx, message.id, told)


def _recipient(tx: Tx, address: Address, *, ctx: SendContext) -> Recipient | None:
    return lookup_recipient(tx, ctx.routes.candidates(address))


def _local_mail(tx: Tx, message: OutboundMessage, *, ctx: SendContext) -> _LocalMail:
    assert message.raw_sha256 is not None, "a composed message has bytes until it is sent"
    at = ctx.clock.now()
    raw = b"".join(
        [
            return_path(parse_mailbox(message.mail_from)),
            received_inside(hostname=ctx.hostname, message_id=message.id, at=at),
            submitted_results(authserv_id=ctx.hostname, submitter=message.agent),
            read_body(tx, message.raw_sha256),
        ]
    )
    mail = received_mail(
        split_headers(raw),
        # Verified: this relay composed it, and writes only the agent's own address into From.
        verdict_without_checks(message.mail_from.rpartition("@")[2], verified=True, detail=_DETAIL),
        mail_from=message.mail_from,
        peer=None,
        sha256=sha256(raw).hexdigest(),
        size=len(raw),
        at=at,
        delegation=f"agent={message.agent};user={resolve_outbound_owner(tx, message.id)}",
    )
    return _LocalMail(mail, raw)
