"""Summarise a message from its header fields: From, To, Subject, Date, references.

Called inside the SMTP transaction for every message, so it must take microseconds. Parts and
bodies are parsed in relay/mail/parse.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.mail.automatic import AUTOMATIC_FIELDS, is_automatic
from relay.mail.dates import parse_date
from relay.mail.decode import decode_value
from relay.mail.headers import Field, Headers
from relay.mail.mailbox import Mailbox, parse_mailboxes
from relay.mail.parameters import parse_parameters

MAX_IDS: Final = 100
_MAX_ID_BYTES: Final = 64 * 1024
_ID: Final = re.compile(rb"<([\x21-\x3b\x3d\x3f-\x7e\x80-\xff]{1,900})>")

_READ: Final = AUTOMATIC_FIELDS | {
    "subject", "content-type", "from", "reply-to", "to", "cc", "date", "message-id", "in-reply-to", "references",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The main header fields. Every string is one line without control characters."""

    subject: str  # decoded; empty if absent
    from_: Mailbox | None  # first mailbox of the topmost From; the verdict holds its DMARC result
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    date: datetime | None  # aware, UTC; as the sender claims
    email_message_id: str | None  # with its angle brackets
    in_reply_to: str | None  # with angle brackets; the first if there are several
    references: tuple[str, ...]  # with angle brackets, oldest first; the newest 100
    automated: bool  # an automatic message: do not reply automatically


def summarise(headers: Headers, *, null_sender: bool = False) -> Summary:
    """Summarise *headers*. If a field is repeated, the topmost counts. Never raises.

    Args:
        headers: The fields of the message.
        null_sender: Whether the envelope sender is ``<>``, as in a bounce.
    """
    top: dict[str, Field] = {}
    for field in headers.fields:
        if field.name in _READ and field.name not in top:
            top[field.name] = field
    values = {name: field.value for name, field in top.items()}
    from_ = parse_mailboxes(values.get("from", b""))
    answered = message_ids(values.get("in-reply-to", b""))
    return Summary(
        subject=_subject(values),
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
    """The distinct message ids ``<…>`` in a value, in order; the last 100 of them.

    RFC 5322 §3.6.4. A value of one word with ``@`` but without brackets counts as one id.
    """
    raw = raw[-_MAX_ID_BYTES:]
    found = _ID.findall(raw)
    if not found:
        words = raw.split(maxsplit=1)
        found = words if len(words) == 1 and b"@" in raw and raw.strip(b"<>") == words[0] else []
    unique = dict.fromkeys(decode_id(word) for word in found)
    return tuple(f"<{text}>" for text in unique if text)[-MAX_IDS:]


def decode_id(raw: bytes) -> str:
    """The inside of a message id as text.

    Encoded words are not decoded, because ids are compared and not displayed.
    """
    text = raw[:900].decode("utf-8", "replace")
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable())


def _subject(values: Mapping[str, bytes]) -> str:
    """The subject; raw 8-bit text is in the charset of the body, if it is not UTF-8."""
    written = values.get("subject", b"")
    if written.isascii():
        return decode_value(written)
    content_type = values.get("content-type", b"").decode("utf-8", "surrogateescape")
    return decode_value(written, charset=parse_parameters(content_type).get("charset"))


def _mailboxes(values: Mapping[str, bytes], name: str) -> tuple[Mailbox, ...]:
    return parse_mailboxes(values[name]) if values.get(name) else ()
