"""Receive one mail: authenticate it, seal it, store it for each recipient.

After the reply 250 this relay is responsible for the mail (RFC 5321 §4.2.5).
When ``receive`` returns, every recipient has the message on disk. It splits the header section, revokes links of the
relay's own letters that the mail returns (relay/inbound/returned.py),
authenticates the sender, puts the trace fields of this relay in front, seals the message for each
recipient and stores all of it in one transaction (relay/inbound/keep.py). An earlier failure is raised and stores
nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from relay.auth.verdict import Verdict
from relay.clock import Clock
from relay.errors import SenderUnproven, Unauthenticated
from relay.events.reading import MailReading
from relay.inbound.bytes import StoredMail, stored_mail
from relay.inbound.duplicates import copies_of, log_repeated
from relay.inbound.header_bounds import read_headers
from relay.inbound.keep import keep
from relay.inbound.limits import InboundLimits
from relay.inbound.reports import SettleReport, find_reported, log_reported, settle_nothing
from relay.inbound.returned import Returned, find_returned, log_revoked, receive_returned, without_relay
from relay.inbound.straight import NoStraightDelivery, StraightDelivery
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers
from relay.mail.routes import Routes
from relay.received_message import ReceivedMail, received_mail, received_message
from relay.signing.secrets import MasterKey
from relay.spool import Spool
from relay.threads import HEADER_OFF_LOOP_BYTES, by_size
from store.engine import Store
from store.ids import new_message_id
from store.records.mail import NewMessage, Recipient

log = structlog.get_logger("relay.inbound")


class AuthenticateSender(Protocol):
    """Authenticates a message's sender.

    It is relay/auth/authenticate.py with its resolver given.
    """

    async def __call__(self, envelope: Envelope, headers: Headers, spool: Spool, *, now: datetime) -> Verdict:
        """The verdict. Never raises; a DNS failure is ``temperror``."""
        ...


def uncounted(_count: int) -> None:
    """Count no repeated message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveContext:
    """Collaborators of ``receive``, joined once at the start."""

    store: Store
    judge: AuthenticateSender
    clock: Clock
    master: MasterKey
    routes: Routes
    limits: InboundLimits = field(default_factory=InboundLimits)
    settle_report: SettleReport = settle_nothing
    count_repeated: Callable[[int], None] = uncounted  # messages that were stored before
    straight: StraightDelivery = field(default_factory=NoStraightDelivery)


async def receive(
    envelope: Envelope, spool: Spool, recipients: Sequence[Recipient], *, ctx: ReceiveContext
) -> Sequence[str]:
    """Store the mail in *spool* for all recipients.

    Returns their message ids in RCPT order.
    *recipients* are the agents that ``admit`` returned for ``envelope.rcpt_to``, in the same order.

    Raises HeaderTooLarge, MailLoop, Unauthenticated (answered 5xx); SenderUnproven, Deferred and the
    store's Unavailable (answered 451). In each case the store is unchanged.
    """
    now = ctx.clock.now()
    headers = await read_headers(spool, limits=ctx.limits, hostname=ctx.routes.hostname)
    returned = await find_returned(envelope, spool, key=ctx.master.links, now=now)
    letters: Sequence[str] = ()
    if any(recipient.is_relay for recipient in recipients):
        letters = await receive_returned(envelope, recipients, returned, store=ctx.store, now=now)
        envelope, recipients = without_relay(envelope, recipients)
        returned = Returned()  # its links are revoked by now
    ids = await _store(envelope, spool, recipients, headers, returned, ctx=ctx) if recipients else ()
    return [*letters, *ids]


async def _store(
    envelope: Envelope,
    spool: Spool,
    recipients: Sequence[Recipient],
    headers: Headers,
    returned: Returned,
    *,
    ctx: ReceiveContext,
) -> Sequence[str]:
    """Authenticate and seal the mail, and store it for *recipients*, which are all agents."""
    now = ctx.clock.now()
    verdict = await ctx.judge(envelope, headers, spool, now=now)
    _require_trust(verdict, recipients)
    ids = [new_message_id() for _ in recipients]
    stored = await stored_mail(envelope, spool, verdict, hostname=ctx.routes.hostname, message_id=ids[0], at=now)
    mail = await _read_header(headers, verdict, envelope, stored, at=now)
    messages = [
        received_message(mail, rcpt, recipient, message_id=message_id, master=ctx.master)
        for rcpt, recipient, message_id in zip(envelope.rcpt_to, recipients, ids, strict=True)
    ]
    messages, reported = await find_reported(
        messages, headers, spool, null_sender=envelope.mail_from is None, key=ctx.master.links
    )
    copies = copies_of(
        mail.mail_from,
        envelope.rcpt_to,
        stored.content_sha256,
        verified=verdict.verified,
        now=now,
        known_for=ctx.limits.known_for,
    )
    reading = MailReading(stored.content, stored.headers(headers), mail.summary) if stored.content is not None else None
    kept = await keep(
        stored,
        messages,
        copies,
        returned,
        reported,
        settle_report=ctx.settle_report,
        straight=ctx.straight,
        reading=reading,
        store=ctx.store,
        now=now,
    )
    log_revoked(kept.revoked, envelope)
    log_reported(kept.reported, reported)
    _log_accepted([message for message in messages if message.id in kept.ids], verdict)
    ctx.count_repeated(log_repeated(messages, kept.ids))
    return kept.ids


async def _read_header(
    headers: Headers, verdict: Verdict, envelope: Envelope, stored: StoredMail, *, at: datetime
) -> ReceivedMail:
    return await by_size(
        headers.weight,
        lambda: received_mail(
            headers,
            verdict,
            mail_from=str(envelope.mail_from) if envelope.mail_from else "",
            peer=envelope.peer,
            sha256=stored.sha256,
            size=stored.size,
            at=at,
        ),
        above=HEADER_OFF_LOOP_BYTES,
    )


def _require_trust(verdict: Verdict, recipients: Iterable[Recipient]) -> None:
    """Refuse unverified mail when one recipient takes only verified mail.

    One reply answers all recipients.
    """
    if verdict.verified or all(recipient.on_unverified == "deliver" for recipient in recipients):
        return
    if verdict.undecided:
        raise SenderUnproven
    raise Unauthenticated


def _log_accepted(messages: Iterable[NewMessage], verdict: Verdict) -> None:
    for message in messages:
        log.info(
            "message_accepted",
            message_id=message.id,
            agent=message.agent,
            mail_from=message.mail_from,
            remote_ip=message.remote_ip,
            size=message.raw_size,
            verified=message.verified,
            check=verdict.domain_check,
        )
