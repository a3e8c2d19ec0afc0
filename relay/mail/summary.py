"""Summarise a message from its header fields: From, To, Subject, Date, references.

Called inside the SMTP transaction for every message, so it must take microseconds. Parts and
bodies are parsed in relay/mail/parse.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.mail.dates import parse_date
from relay.mail.decode import decode_value
from relay.mail.fields.author import author_of
from relay.mail.fields.automatic import AUTOMATIC_FIELDS, Reason, automated_reason, is_automated
from relay.mail.fields.mailbox import Mailbox, parse_mailboxes
from relay.mail.fields.mailing_list import LIST_FIELDS, mailing_list
from relay.mail.fields.message_ids import message_ids
from relay.mail.headers import Headers
from relay.mail.parameters import parse_parameters
from relay.mail.parsed_mail import MailingList

_JOINED: Final = ("to", "cc")
_MAX_JOINED: Final = 128 * 1024  # bytes of all fields of one name

_READ: Final = AUTOMATIC_FIELDS | LIST_FIELDS | {
    "subject", "content-type", "from", "reply-to", "to", "cc", "date", "message-id", "in-reply-to", "references",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The main header fields. Every string is one line without control characters."""

    subject: str  # decoded; empty if absent
    from_: Mailbox | None  # the author that DMARC is evaluated for, else the first mailbox of the topmost From
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    date: datetime | None  # aware, UTC; as the sender claims
    email_message_id: str | None  # with its angle brackets
    in_reply_to: str | None  # with angle brackets; the first if there are several
    references: tuple[str, ...]  # with angle brackets, oldest first; the first and the newest 99
    automated: bool  # an automatic message: do not reply automatically
    automated_reason: Reason | None  # why; a message of a group inbox has a reason and is not automated
    mailing_list: MailingList | None


def summarise(headers: Headers, *, null_sender: bool = False) -> Summary:
    """Summarise *headers*. Never raises.

    If a field is repeated, the topmost counts, but for To and Cc, whose mailboxes are joined.

    Args:
        headers: The fields of the message.
        null_sender: Whether the envelope sender is ``<>``, as in a bounce.
    """
    values = _values(headers)
    reason = automated_reason(values, null_sender=null_sender)
    answered = message_ids(values.get("in-reply-to", b""))
    return Summary(
        subject=_subject(values),
        from_=_author(values.get("from", b"")),
        reply_to=_mailboxes(values, "reply-to"),
        to=_mailboxes(values, "to"),
        cc=_mailboxes(values, "cc"),
        date=parse_date(values.get("date", b"")),
        email_message_id=next(iter(message_ids(values.get("message-id", b""))), None),
        in_reply_to=answered[0] if answered else None,
        references=message_ids(values.get("references", b"")),
        automated=is_automated(reason, values),
        automated_reason=reason,
        mailing_list=mailing_list(values),
    )


def _subject(values: Mapping[str, bytes]) -> str:
    """The subject; raw 8-bit text is in the charset of the body, if it is not UTF-8."""
    written = values.get("subject", b"")
    if written.isascii():
        return decode_value(written)
    content_type = values.get("content-type", b"").decode("utf-8", "surrogateescape")
    return decode_value(written, charset=parse_parameters(content_type).get("charset"))


def _values(headers: Headers) -> dict[str, bytes]:
    """The unfolded values of the fields that are read, by name."""
    values: dict[str, bytes] = {}
    for field in headers.fields:
        if field.name not in _READ:
            continue
        if field.name not in values:
            values[field.name] = field.value
        elif field.name in _JOINED and len(values[field.name]) < _MAX_JOINED:
            values[field.name] += b", " + field.value
    return values


def _author(value: bytes) -> Mailbox | None:
    """The mailbox of the author in the event: the one that DMARC is evaluated for, if there is exactly one."""
    found = parse_mailboxes(value)
    if len(found) < 2:  # then the strict reader finds the same address, or none
        return found[0] if found else None
    author = author_of(value)
    return found[0] if author is None else Mailbox(found[-1].name, str(author))


def _mailboxes(values: Mapping[str, bytes], name: str) -> tuple[Mailbox, ...]:
    return parse_mailboxes(values[name]) if values.get(name) else ()
