"""Build the row of a received message for one recipient, with its seal. Pure.

Mail by SMTP (relay/inbound/receive.py), mail between agents of this relay (relay/outbound/local_delivery.py)
and the sample event of a webhook test (relay/delivery/trial.py) all build their rows here, so that an agent
reads the same fields for each of them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.auth.verdict import ArcResult, DmarcResult, SpfResult, Verdict
from relay.mail.address import Address
from relay.mail.envelope import Peer
from relay.mail.headers import Headers
from relay.mail.summary import Summary, summarise
from relay.mail.thread import parent_ids
from relay.signing.agent_secret import open_secret
from relay.signing.seal import Statement, seal
from relay.signing.secrets import MasterKey
from store.mail.conversations import bare_id
from store.records.mail import NewMessage, Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One authenticated mail: the values that are the same for all its recipients."""

    summary: Summary
    verdict: Verdict
    authentication: dict[str, Any]  # the verdict as JSON
    parent_ids: tuple[str, ...]
    mail_from: str  # "" is the null path
    peer: Peer | None  # None when no SMTP client handed it over
    delegation: str  # "agent=ADDRESS;user=ID" when an agent of this relay wrote it, else ""
    sha256: str  # hex, of the stored bytes
    size: int  # bytes, as stored
    received_at: datetime

    @property
    def sender(self) -> str:
        """The address of From, or an empty string."""
        return self.summary.from_.address if self.summary.from_ else ""


def received_mail(
    headers: Headers,
    verdict: Verdict,
    *,
    mail_from: str,
    peer: Peer | None,
    sha256: str,
    size: int,
    at: datetime,
    delegation: str = "",
) -> ReceivedMail:
    """Read what *headers* say, once for all recipients.

    Only mail that an agent of this relay wrote may have a *delegation*: the seal then says ``Entity-Type: agent``.
    """
    summary = summarise(headers, null_sender=not mail_from)
    return ReceivedMail(
        summary=summary,
        verdict=verdict,
        authentication=verdict.to_dict(),
        parent_ids=parent_ids(summary),
        mail_from=mail_from,
        peer=peer,
        delegation=delegation,
        sha256=sha256,
        size=size,
        received_at=at,
    )


def received_message(
    mail: ReceivedMail, rcpt: Address, recipient: Recipient, *, message_id: str, master: MasterKey
) -> NewMessage:
    """The row of *mail* for one *recipient*, addressed as *rcpt*, with its seal.

    Raises BadSecret when the agent's secret cannot be opened.
    """
    summary, verdict, peer = mail.summary, mail.verdict, mail.peer
    statement = _statement(mail, recipient, message_id)
    return NewMessage(
        id=message_id,
        agent=recipient.address,
        recipient=str(rcpt),
        tag=rcpt.tag,
        mail_from=mail.mail_from,
        remote_ip=str(peer.ip) if peer else None,
        helo=peer.helo if peer else None,
        tls=peer.tls if peer else None,
        from_name=summary.from_.name if summary.from_ else "",
        from_address=mail.sender,
        subject=summary.subject,
        email_message_id=bare_id(summary.email_message_id or "") or None,
        parent_ids=mail.parent_ids,
        automated=summary.automated,
        verified=verdict.verified,
        verified_domain=verdict.verified_domain,
        authentication=mail.authentication,
        auth_headers=seal(statement, open_secret(recipient, master=master)),
        raw_sha256=mail.sha256,
        raw_size=mail.size,
        received_at=mail.received_at,
    )


def verdict_without_checks(header_from: str, *, verified: bool, detail: str) -> Verdict:
    """The verdict of a mail that was not looked up in DNS.

    *detail* says why, for a person to read.
    """
    return Verdict(
        verified=verified,
        verified_domain=header_from if verified else None,
        header_from=header_from,
        spf=SpfResult(result="none", domain=None, aligned=False, detail=detail),
        dkim=(),
        dmarc=DmarcResult(result="none", policy=None, domain=None, detail=detail),
        arc=ArcResult(result="none", sealer=None, detail=detail),
    )


def _statement(mail: ReceivedMail, recipient: Recipient, message_id: str) -> Statement:
    return Statement(
        message_id=message_id,
        recipient=recipient.address,
        sender=mail.sender,
        envelope_from=mail.mail_from,
        entity_type="agent" if mail.delegation else "human",
        delegation=mail.delegation,
        verified=mail.verdict.verified,
        verified_domain=mail.verdict.verified_domain,
        domain_check=mail.verdict.domain_check,
        timestamp=mail.received_at,
        body_hash=mail.sha256,
        key_id=recipient.key_id,
    )
