"""Taking responsibility for one mail (RFC 5321 §4.2.5): when this returns, every recipient has it.

The way: split the header, judge the sender, put our trace in front, seal for each recipient, and
keep all of it in one transaction. Whatever fails before that transaction is on disk is raised,
and nothing is kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from relay.auth.verdict import Verdict
from relay.clock import Clock
from relay.errors import Deferred, MailLoop, SenderUnproven, Unauthenticated, UndecodableMail
from relay.inbound.bytes import StoredMail, keep_ahead, stored_mail
from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers, header_end, split_headers
from relay.mail.routes import Routes
from relay.mail.summary import Summary, summarise
from relay.mail.thread import parent_ids
from relay.mail.trace import hop_count
from relay.signing.agent_secret import open_secret
from relay.signing.seal import Statement, seal
from relay.signing.secrets import MasterKey
from relay.spool import HEAD_LIMIT, Spool
from store.engine import Store
from store.errors import AgentNotFound
from store.ids import new_message_id
from store.mail.bodies import keep_body
from store.mail.conversations import bare_id
from store.mail.messages import create_inbound_message
from store.records.mail import NewMessage, Recipient
from store.transaction import Tx

MAX_HOPS: Final = 50
log = structlog.get_logger("relay.inbound")


class AuthenticateSender(Protocol):
    """Whoever says who really sent a mail: relay.auth.authenticate with its collaborators given."""

    async def __call__(self, envelope: Envelope, headers: Headers, spool: Spool, *, now: datetime) -> Verdict:
        """The verdict; never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveContext:
    """What receiving needs besides the mail, joined once at the start."""

    store: Store
    judge: AuthenticateSender
    clock: Clock
    master: MasterKey
    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """One mail, judged and ready to be kept: everything that is the same for all its recipients."""

    envelope: Envelope
    summary: Summary
    verdict: Verdict
    mail: StoredMail
    at: datetime
    mail_from: str  # "" is the null path
    sender: str  # the address of From, or empty
    authentication: dict[str, Any]
    parent_ids: tuple[str, ...]


async def receive(
    envelope: Envelope, spool: Spool, recipients: Sequence[Recipient], *, ctx: ReceiveContext
) -> Sequence[str]:
    """Keep the mail in *spool* for all of the envelope's recipients; answers their message ids in RCPT order.

    *recipients* are the agents that admitting those answered, in the same order.

    Raises UndecodableMail, MailLoop, Unauthenticated (550); SenderUnproven, Deferred and the store's
    Unavailable (451). In every such case nothing is kept.
    """
    now = ctx.clock.now()
    headers = _readable_headers(spool)
    verdict = await ctx.judge(envelope, headers, spool, now=now)
    _require_trust(verdict, recipients)
    ids = [new_message_id() for _ in recipients]
    mail = await stored_mail(envelope, spool, verdict, hostname=ctx.routes.hostname, message_id=ids[0], at=now)
    arrival = _arrived(envelope, headers, verdict, mail, at=now)
    letters = [
        _as_seen_by(arrival, rcpt, recipient, message_id, master=ctx.master)
        for rcpt, recipient, message_id in zip(envelope.rcpt_to, recipients, ids, strict=True)
    ]
    await _keep(mail, letters, store=ctx.store, now=now)
    _tell(letters, verdict)
    return ids


def _readable_headers(spool: Spool) -> Headers:
    head = spool.head()
    if header_end(head) == len(head) and spool.size > HEAD_LIMIT:
        raise UndecodableMail("the header section does not end")
    headers = split_headers(head)
    if hop_count(headers) > MAX_HOPS:
        raise MailLoop
    return headers


def _require_trust(verdict: Verdict, recipients: Iterable[Recipient]) -> None:
    """One reply answers every recipient, so one agent that takes only verified mail refuses for all."""
    if verdict.verified or all(recipient.on_unverified == "deliver" for recipient in recipients):
        return
    if verdict.undecided:
        raise SenderUnproven
    raise Unauthenticated


def _arrived(envelope: Envelope, headers: Headers, verdict: Verdict, mail: StoredMail, *, at: datetime) -> _Arrival:
    summary = summarise(headers, null_sender=envelope.mail_from is None)
    return _Arrival(
        envelope=envelope,
        summary=summary,
        verdict=verdict,
        mail=mail,
        at=at,
        mail_from=str(envelope.mail_from) if envelope.mail_from else "",
        sender=summary.from_.address if summary.from_ else "",
        authentication=verdict.to_dict(),
        parent_ids=parent_ids(summary),
    )


def _as_seen_by(
    arrival: _Arrival, rcpt: Address, recipient: Recipient, message_id: str, *, master: MasterKey
) -> NewMessage:
    """The row of one recipient, sealed with that agent's secret."""
    envelope, summary, verdict = arrival.envelope, arrival.summary, arrival.verdict
    statement = _statement(arrival, recipient, message_id)
    return NewMessage(
        id=message_id,
        agent=recipient.address,
        recipient=str(rcpt),
        tag=rcpt.tag,
        mail_from=arrival.mail_from,
        remote_ip=str(envelope.peer.ip),
        helo=envelope.peer.helo,
        tls=envelope.peer.tls,
        from_name=summary.from_.name if summary.from_ else "",
        from_address=arrival.sender,
        subject=summary.subject,
        email_message_id=bare_id(summary.email_message_id or "") or None,
        parent_ids=arrival.parent_ids,
        automated=summary.automated,
        verified=verdict.verified,
        verified_domain=verdict.verified_domain,
        authentication=arrival.authentication,
        auth_headers=seal(statement, open_secret(recipient, master=master)),
        raw_sha256=arrival.mail.sha256,
        raw_size=arrival.mail.size,
        received_at=arrival.at,
    )


def _statement(arrival: _Arrival, recipient: Recipient, message_id: str) -> Statement:
    return Statement(
        message_id=message_id,
        recipient=recipient.address,
        sender=arrival.sender,
        envelope_from=arrival.mail_from,
        entity_type="human",
        delegation="",
        verified=arrival.verdict.verified,
        verified_domain=arrival.verdict.verified_domain,
        domain_check=arrival.verdict.domain_check,
        timestamp=arrival.at,
        body_hash=arrival.mail.sha256,
        key_id=recipient.key_id,
    )


async def _keep(mail: StoredMail, letters: Sequence[NewMessage], *, store: Store, now: datetime) -> None:
    await keep_ahead(mail, store=store, now=now)

    def unit(tx: Tx) -> None:
        keep_body(tx, mail.sha256, size=mail.size, content=mail.content, now=now)
        for letter in letters:
            create_inbound_message(tx, letter)

    try:
        await store.write(unit)
    except AgentNotFound as error:
        # It went since its RCPT was answered. Asked again, the sender learns which; the others lose nothing.
        raise Deferred("a recipient went away") from error


def _tell(letters: Iterable[NewMessage], verdict: Verdict) -> None:
    for letter in letters:
        log.info(
            "message_accepted",
            message_id=letter.id,
            agent=letter.agent,
            mail_from=letter.mail_from,
            remote_ip=letter.remote_ip,
            size=letter.raw_size,
            verified=letter.verified,
            check=verdict.domain_check,
        )
