"""Letters of the relay that come back: revoke their links before a mail with one is stored, record the bounce.

A link in a mail can be used by each reader of the mail. So a valid review or sign-in link that is found in any inbound
mail is revoked in the transaction that stores the mail. A mail to the relay's own address is not stored at all: it
marks the letter that it returns as bounced, for the operator to see. See docs/contract.md §2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from relay.errors import UnknownRecipient
from relay.link_search import find_links
from relay.mail.envelope import Envelope
from relay.signing.link import ReviewLink, SignInLink, nonce_hash
from relay.spool import Spool
from store.directory.reserved import is_relays_local
from store.directory.used_links import revoke_link
from store.engine import Store
from store.outbound.returned_letters import letter_of_link, letter_of_nonce, link_of_letter, record_bounce
from store.records.mail import Recipient
from store.transaction import Tx

_REPORT_BYTES: Final = 256 * 1024  # of a mail, in which its delivery report is looked for
_FIELD: Final = re.compile(rb"^(Action|Status|Diagnostic-Code):[ \t]*([^\r\n]{1,300})", re.MULTILINE | re.IGNORECASE)
_NO_LETTER: Final = "returned"  # in the SMTP reply, where a mail returns a link and no letter
_LONGEST_HOLD: Final = timedelta(days=8)  # past the expiry of each review link
log = structlog.get_logger("relay.inbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What one mail returns to the relay: valid links in its bytes, and nonces that it is addressed to."""

    links: tuple[ReviewLink | SignInLink, ...] = ()
    nonces: tuple[str, ...] = ()  # as hashes
    detail: str = ""  # what the mail says about the bounce

    def __bool__(self) -> bool:
        return bool(self.links or self.nonces)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A link that works no more, and the letter that it was in, as far as known."""

    letter_id: str | None
    kind: str
    message_id: str | None
    user_id: str


async def find_returned(envelope: Envelope, spool: Spool, *, key: bytes, now: datetime) -> Returned:
    """Find the relay's links in a mail. Raises UndecodableMail for more look-alikes than can be checked."""
    links = await find_links(spool.size, spool.chunks, key=key, now=now)
    nonces = tuple(nonce_hash(rcpt.tag) for rcpt in envelope.rcpt_to if rcpt.tag and is_relays_local(rcpt.local))
    if not links and not nonces:
        return Returned()
    return Returned(links=links, nonces=nonces, detail=_report(spool.head(_REPORT_BYTES)))


def revoke_returned(tx: Tx, returned: Returned, *, now: datetime) -> list[Revoked]:
    """Revoke each returned link that still works, and mark the letters as bounced."""
    revoked = []
    for link in returned.links:
        letter = letter_of_link(tx, link.hash)
        is_news = revoke_link(tx, link.hash, link.user_id, link.expires_at)
        if letter is not None:
            record_bounce(tx, letter, returned.detail, now=now)
        if is_news or letter is not None:
            is_review = isinstance(link, ReviewLink)
            message_id = link.message_id if isinstance(link, ReviewLink) else None
            revoked.append(Revoked(letter, "review" if is_review else "sign_in", message_id, link.user_id))
    letters = [letter for nonce in returned.nonces if (letter := letter_of_nonce(tx, nonce)) is not None]
    return revoked + [_bounced(tx, letter, returned.detail, now=now) for letter in letters]


async def receive_returned(
    envelope: Envelope, recipients: Sequence[Recipient], returned: Returned, *, store: Store, now: datetime
) -> list[str]:
    """Record what a mail to the relay's own address returns; the ids of the letters. Stores no message.

    Raises UnknownRecipient when the mail returns no letter and has no other recipient.
    """
    revoked = await store.write(lambda tx: revoke_returned(tx, returned, now=now)) if returned else []
    if not revoked and all(recipient.is_relay for recipient in recipients):
        raise UnknownRecipient
    log_revoked(revoked, envelope)
    letters = list(dict.fromkeys(each.letter_id for each in revoked if each.letter_id is not None))
    return letters or ([_NO_LETTER] if revoked else [])  # the link that a command printed is in no letter


def log_revoked(revoked: Sequence[Revoked], envelope: Envelope) -> None:
    """Write a line for each link that a mail returned."""
    for each in revoked:
        log.warning(
            "letter_returned",
            letter_id=each.letter_id,
            kind=each.kind,
            message_id=each.message_id,
            user_id=each.user_id,
            mail_from=str(envelope.mail_from or ""),
        )


def without_relay(envelope: Envelope, recipients: Sequence[Recipient]) -> tuple[Envelope, list[Recipient]]:
    """The envelope and the recipients that are agents."""
    agents = [each for each in zip(envelope.rcpt_to, recipients, strict=True) if not each[1].is_relay]
    return replace(envelope, rcpt_to=tuple(rcpt for rcpt, _ in agents)), [recipient for _, recipient in agents]


def _bounced(tx: Tx, letter: str, detail: str, *, now: datetime) -> Revoked:
    record_bounce(tx, letter, detail, now=now)
    found = link_of_letter(tx, letter)
    assert found is not None, "the hashes of nonce and link are stored together"
    link_hash, user_id = found
    revoke_link(tx, link_hash, user_id, now + _LONGEST_HOLD)
    return Revoked(letter, "by its sender address", None, user_id)


def _report(head: bytes) -> str:
    """Action, status and diagnostic of a delivery status notification (RFC 3464); empty for another mail."""
    found = {name.decode().lower(): value.decode("utf-8", "replace").strip() for name, value in _FIELD.findall(head)}
    text = "; ".join(found[name] for name in ("action", "status", "diagnostic-code") if name in found)
    return "".join(sign if sign.isprintable() else "?" for sign in text)
