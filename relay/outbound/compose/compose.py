"""Compose a message: from a draft to its wire bytes (RFC 5322, RFC 2045, RFC 2047, RFC 2231).

The bytes are ASCII with CRLF line ends and no line over 998 octets, so every courier can send them
unchanged. The same arguments give the same bytes, as a held message is approved by its digest. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from relay.errors import BadDraft, MailTooLarge
from relay.outbound.compose import header_line
from relay.outbound.compose.body_part import Part, body_of, boundary_for, file_part, multipart
from relay.outbound.compose.custom_headers import check_headers
from relay.outbound.compose.recipients import check_address
from store.outbound.outbound import MAX_SUBJECT
from store.records.outbound import AnsweredMessage, Draft

MAX_WIRE_BYTES: Final = 10 * 1024 * 1024
MAX_REFERENCES: Final = 20  # of the ids that a mail names before its own
_ID: Final = re.compile(r"[!-;=?-~]{1,500}", re.ASCII)
_SEED: Final = re.compile(r"[A-Za-z0-9]{1,50}", re.ASCII)
_MESSAGE_ID: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_UNDISCLOSED: Final = b"To: undisclosed-recipients:;\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author of a message, and the address that it is sent from."""

    address: str  # the agent's: replies come here
    name: str = ""
    shared_from: str | None = None  # the sender where the agent's own domain is not set up for sending

    @property
    def mail_from(self) -> str:
        """The address of ``From``, and the envelope's sender."""
        return self.shared_from or self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message as it goes over the wire."""

    raw: bytes = field(repr=False)
    email_message_id: str  # ours, without angle brackets
    sha256: str  # of raw, hex


def compose(
    draft: Draft,
    author: Author,
    *,
    message_id: str,
    at: datetime,
    boundary: str,
    answered: AnsweredMessage | None = None,
    headers: Sequence[tuple[str, str]] = (),
    limit: int = MAX_WIRE_BYTES,
) -> Composed:
    """Compose *draft*. Its bcc recipients do not appear in the bytes.

    Args:
        draft: Its recipients settled (relay/outbound/compose/recipients.py).
        author: The agent and the sender address.
        message_id: Our ``msg_…`` id.
        at: The time of ``Date``, aware.
        boundary: Unguessable, letters and digits, at most 50: what separates the parts is made of it.
        answered: The ids of the message that it answers, if any.
        headers: Header fields that the agent adds.
        limit: The most bytes that a message may have.

    Raises:
        BadDraft: A value that no message can hold, with its field and index.
        MailTooLarge: For more than *limit* bytes.
    """
    if not _SEED.fullmatch(boundary) or not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a boundary has letters and digits only, an id letters, digits and _")
    check_headers(headers)
    if sum(len(file.content) for file in draft.attachments) > limit:
        raise MailTooLarge(f"the attachments have more than {limit} bytes", field="attachments")
    own = email_message_id(message_id, author)
    mime, body = _content(draft, boundary)
    fields = [
        *_people(draft, author),
        *_identity(draft.subject, own, message_id, at),
        *_thread(answered or AnsweredMessage(), own),
        *(header_line.unstructured(name, value) for name, value in headers),
    ]
    raw = b"".join(fields) + b"MIME-Version: 1.0\r\n" + mime + b"\r\n" + body + b"\r\n"
    if len(raw) > limit:
        raise MailTooLarge(f"the message has {len(raw)} bytes; at most {limit} are sent")
    return Composed(raw=raw, email_message_id=own, sha256=sha256(raw).hexdigest())


def email_message_id(message_id: str, author: Author) -> str:
    """The ``Message-ID`` of our message *message_id*, without angle brackets."""
    return f"{message_id}@{check_address(author.mail_from, field='from').domain}"


def _people(draft: Draft, author: Author) -> list[bytes]:
    # No Sender: it would repeat From, which RFC 5322 §3.6.2 says it should not.
    fields = [_mailboxes("From", [(_display(author), author.mail_from)], field="from")]
    if author.shared_from:
        fields.append(_mailboxes("Reply-To", [("", author.address)], field="from"))
    for name, addresses in (("to", draft.to), ("cc", draft.cc)):
        if addresses:
            people = [(draft.name_of(each), each) for each in addresses]
            fields.append(_mailboxes(name.capitalize(), people, field=name))
    return fields if draft.to or draft.cc else [*fields, _UNDISCLOSED]


def _display(author: Author) -> str:
    """The display name. A shared address does not tell the author, so it always has one."""
    return author.name.strip() or (author.address.partition("@")[0] if author.shared_from else "")


def _identity(subject: str, own: str, message_id: str, at: datetime) -> list[bytes]:
    if len(subject) > MAX_SUBJECT:
        raise BadDraft(f"subject: at most {MAX_SUBJECT} characters", field="subject")
    header_line.check_line("subject", subject)
    return [
        header_line.unstructured("Subject", subject),
        header_line.unstructured("Date", format_datetime(at.astimezone(UTC))),
        header_line.ids("Message-ID", [own]),
        header_line.unstructured("X-Mailseal-Message-Id", message_id),
        header_line.unstructured("Auto-Submitted", "auto-generated"),
    ]


def _thread(answered: AnsweredMessage, own: str) -> list[bytes]:
    """RFC 5322 §3.6.4, and our own id last: a provider that replaces the Message-ID leaves References alone."""
    parents = [each for each in dict.fromkeys(answered.references) if _ID.fullmatch(each) and each != own]
    if len(parents) > MAX_REFERENCES:
        parents = [parents[0], *parents[1 - MAX_REFERENCES :]]  # the root, and the nearest
    fields = [header_line.ids("References", [*parents, own])]
    if answered.in_reply_to and _ID.fullmatch(answered.in_reply_to):
        fields.insert(0, header_line.ids("In-Reply-To", [answered.in_reply_to]))
    return fields


def _content(draft: Draft, seed: str) -> Part:
    boundary = boundary_for(seed, draft.attachments)
    body = body_of(draft, f"{boundary}a")
    files = [file_part(file, index) for index, file in enumerate(draft.attachments)]
    return multipart("mixed", [body, *files], f"{boundary}m") if files else body


def _mailboxes(name: str, people: Sequence[tuple[str, str]], *, field: str) -> bytes:
    """The header field *name*; errors name the draft's field *field*."""
    checked = [(called, str(check_address(each, field=field, index=n))) for n, (called, each) in enumerate(people)]
    return header_line.mailboxes(name, checked)
