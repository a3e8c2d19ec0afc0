"""Mail from agent to agent of this relay: it goes through no provider, and says who wrote it under the seal.

The one way by which a message is sealed with ``Entity-Type: agent``. Whatever comes by SMTP is sealed as human,
whatever its headers say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from relay.auth.results import submitted_results
from relay.auth.verdict import ArcResult, DmarcResult, SpfResult, Verdict
from relay.mail.address import Address, parse_mailbox
from relay.mail.headers import split_headers
from relay.mail.summary import Summary, summarise
from relay.mail.thread import parent_ids
from relay.mail.trace import received_inside, return_path
from relay.outbound.context import SendContext
from relay.signing.agent_secret import open_secret
from relay.signing.seal import Statement, seal
from store.directory.agents import get_agent_by_email, lookup_recipient
from store.ids import new_message_id
from store.mail.bodies import CHUNK_BYTES, INLINE_BYTES, keep_body, keep_chunk, read_body
from store.mail.conversations import bare_id
from store.mail.messages import create_inbound_message
from store.outbound.feedback import record_feedback
from store.outbound.outbound import resolve_outbound_owner
from store.records.feedback import Feedback
from store.records.mail import NewMessage, Recipient
from store.records.outbound import OutboundMessage
from store.transaction import Tx

_DETAIL: Final = "handed in by an agent of this relay, whose owner proved the domain here: nothing was looked up"


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One mail as all its recipients here get it."""

    message: OutboundMessage
    owner: str  # the writer's user
    raw: bytes
    summary: Summary
    verdict: Verdict
    sha256: str
    at: datetime


def is_local(tx: Tx, address: str, *, ctx: SendContext) -> bool:
    """Whether an agent of this relay takes mail for *address*."""
    return _recipient(tx, parse_mailbox(address), ctx=ctx) is not None


def outside(tx: Tx, recipients: Sequence[str], *, ctx: SendContext) -> list[str]:
    """Those of *recipients* that a provider has to be asked for."""
    return [address for address in recipients if not is_local(tx, address, ctx=ctx)]


def deliver_locally(tx: Tx, message: OutboundMessage, *, ctx: SendContext) -> None:
    """Keep *message*, which is being sent, for those of its recipients who are agents here.

    In the transaction that makes it sent, so each gets it once. Nobody gets what a stranger wrote from a domain that
    is not theirs, for it would be verified; nor what was never composed here, as it went out at another relay.
    """
    if message.digest is None or not get_agent_by_email(tx, message.agent).domain_verified:
        return
    recipients = [parse_mailbox(address) for address in message.all_recipients]
    found = [(address, _recipient(tx, address, ctx=ctx)) for address in recipients]
    here = [(address, recipient) for address, recipient in found if recipient is not None]
    if not here:
        return
    arrival = _arrived(tx, message, ctx=ctx)
    _keep_bytes(tx, arrival)
    # In one order everywhere: two mails to the same agents, named the other way round, must not wait for each other.
    for address, recipient in sorted(here, key=lambda each: each[1].address):
        new = _as_seen_by(arrival, address, recipient, ctx=ctx)
        create_inbound_message(tx, new)
        told = Feedback(event_id=new.id, kind="delivered", recipient=str(address), detail="inside", at=arrival.at)
        record_feedback(tx, message.id, told)


def _recipient(tx: Tx, address: Address, *, ctx: SendContext) -> Recipient | None:
    return lookup_recipient(tx, ctx.routes.candidates(address))


def _arrived(tx: Tx, message: OutboundMessage, *, ctx: SendContext) -> _Arrival:
    assert message.raw_sha256 is not None, "kept before it is sent"
    at = ctx.clock.now()
    raw = b"".join(
        [
            return_path(parse_mailbox(message.mail_from)),
            received_inside(hostname=ctx.hostname, message_id=message.id, at=at),
            submitted_results(authserv_id=ctx.hostname, submitter=message.agent),
            read_body(tx, message.raw_sha256),
        ]
    )
    return _Arrival(
        message=message,
        owner=resolve_outbound_owner(tx, message.id),
        raw=raw,
        summary=summarise(split_headers(raw)),
        verdict=_verdict(message.mail_from.rpartition("@")[2]),
        sha256=sha256(raw).hexdigest(),
        at=at,
    )


def _verdict(domain: str) -> Verdict:
    """This relay is the one that sent it, and writes no From that is not its agent's own."""
    return Verdict(
        verified=True,
        verified_domain=domain,
        header_from=domain,
        spf=SpfResult(result="none", domain=None, aligned=False, detail=_DETAIL),
        dkim=(),
        dmarc=DmarcResult(result="none", policy=None, domain=None, detail=_DETAIL),
        arc=ArcResult(result="none", sealer=None, detail=_DETAIL),
    )


def _keep_bytes(tx: Tx, arrival: _Arrival) -> None:
    raw, is_long = arrival.raw, len(arrival.raw) > INLINE_BYTES
    for number, start in enumerate(range(0, len(raw), CHUNK_BYTES) if is_long else ()):
        keep_chunk(tx, arrival.sha256, number, raw[start : start + CHUNK_BYTES], now=arrival.at)
    keep_body(tx, arrival.sha256, size=len(raw), content=None if is_long else raw, now=arrival.at)


def _as_seen_by(arrival: _Arrival, address: Address, recipient: Recipient, *, ctx: SendContext) -> NewMessage:
    summary, message_id = arrival.summary, new_message_id()
    statement = _statement(arrival, recipient, message_id)
    return NewMessage(
        id=message_id,
        agent=recipient.address,
        recipient=str(address),
        tag=address.tag,
        mail_from=arrival.message.mail_from,
        remote_ip=None,
        helo=None,
        tls=None,
        from_name=summary.from_.name if summary.from_ else "",
        from_address=statement.sender,
        subject=summary.subject,
        email_message_id=bare_id(summary.email_message_id or "") or None,
        parent_ids=parent_ids(summary),
        automated=summary.automated,
        verified=arrival.verdict.verified,
        verified_domain=arrival.verdict.verified_domain,
        authentication=arrival.verdict.to_dict(),
        auth_headers=seal(statement, open_secret(recipient, master=ctx.master)),
        raw_sha256=arrival.sha256,
        raw_size=len(arrival.raw),
        received_at=arrival.at,
    )


def _statement(arrival: _Arrival, recipient: Recipient, message_id: str) -> Statement:
    message, verdict = arrival.message, arrival.verdict
    return Statement(
        message_id=message_id,
        recipient=recipient.address,
        sender=arrival.summary.from_.address if arrival.summary.from_ else "",
        envelope_from=message.mail_from,
        entity_type="agent",
        delegation=f"agent={message.agent};user={arrival.owner}",
        verified=verdict.verified,
        verified_domain=verdict.verified_domain,
        domain_check=verdict.domain_check,
        timestamp=arrival.at,
        body_hash=arrival.sha256,
        key_id=recipient.key_id,
    )
