"""What the header section alone says of a mail: who, to whom, what about, in answer to what.

Read inside the SMTP transaction for every mail, so it costs microseconds; parts and bodies
are relay/mail/parse's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from relay.mail.automatic import AUTOMATIC_FIELDS, is_automatic
from relay.mail.decode import decode_value
from relay.mail.headers import Field, Headers
from relay.mail.mailbox import Mailbox, parse_mailboxes

MAX_IDS: Final = 100
_MAX_ID_BYTES: Final = 64 * 1024
_ID: Final = re.compile(rb"<([\x21-\x3b\x3d\x3f-\x7e\x80-\xff]{1,900})>")
_EARLIEST_YEAR: Final = 1970

_READ: Final = AUTOMATIC_FIELDS | {
    "subject", "from", "reply-to", "to", "cc", "date", "message-id", "in-reply-to", "references",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The fields an agent reads first. Every string is one line without control characters."""

    subject: str  # decoded; empty without one
    from_: Mailbox | None  # the first of the topmost From; what DMARC says of it is in the verdict
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    date: datetime | None  # aware, UTC; what the sender claims
    email_message_id: str | None  # with its angle brackets
    in_reply_to: str | None  # with its angle brackets, the first when there are several
    references: tuple[str, ...]  # with angle brackets, oldest first, at most 100: the newest are kept
    automated: bool  # sent by a machine by its own word, so never to be answered by one


def summarise(headers: Headers, *, null_sender: bool = False) -> Summary:
    """What *headers* say. The topmost field of a name counts; never raises.

    Args:
        headers: As split from the mail.
        null_sender: Whether the envelope's sender is ``<>``, as on a bounce.
    """
    top: dict[str, Field] = {}
    for field in headers.fields:
        if field.name in _READ and field.name not in top:
            top[field.name] = field
    values = {name: field.value for name, field in top.items()}
    from_ = parse_mailboxes(values.get("from", b""))
    answered = message_ids(values.get("in-reply-to", b""))
    return Summary(
        subject=decode_value(values.get("subject", b"")),
        from_=from_[0] if from_ else None,
        reply_to=_mailboxes(values, "reply-to"),
        to=_mailboxes(values, "to"),
        cc=_mailboxes(values, "cc"),
        date=parse_date(values.get("date", b"")),
        email_message_id=next(iter(message_ids(values.get("message-id", b""))), None),
        in_reply_to=answered[0] if answered else None,
        references=message_ids(values.get("references", b"")),
        automated=is_automatic(values, null_sender=null_sender),
    )


def message_ids(raw: bytes) -> tuple[str, ...]:
    """Every ``<…>`` of a value, each once and in order, the last 100 of them (RFC 5322 §3.6.4).

    A value without any bracket whose only word has an ``@`` is one id that lost its brackets.
    """
    raw = raw[-_MAX_ID_BYTES:]
    found = _ID.findall(raw)
    if not found:
        words = raw.split(maxsplit=1)
        found = words if len(words) == 1 and b"@" in raw and raw.strip(b"<>") == words[0] else []
    unique = dict.fromkeys(decode_id(word) for word in found)
    return tuple(f"<{text}>" for text in unique if text)[-MAX_IDS:]


def decode_id(raw: bytes) -> str:
    """The inside of an id as text. Encoded words are not read: an id is matched, never shown decoded."""
    text = raw[:900].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable())


def parse_date(raw: bytes) -> datetime | None:
    """A ``Date`` value as an aware UTC time; None when it is none, or before 1970 (RFC 5322 §3.3)."""
    try:
        moment = parsedate_to_datetime(raw[:128].decode("ascii"))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # The parser was made for what is a date: IndexError and TypeError are among its answers to what is not.
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return moment if moment.year >= _EARLIEST_YEAR else None


def _mailboxes(values: Mapping[str, bytes], name: str) -> tuple[Mailbox, ...]:
    return parse_mailboxes(values[name]) if values.get(name) else ()
