"""The parsed message as an agent gets it: text, HTML, attachments, headers.

Also what is read out of the content: links, codes, hidden text, an invitation, a report, mails in the mail.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from relay.mail.fields.mailbox import Mailbox
from relay.mail.html_text.html_text import Hidden, PageLink

HiddenReason = Literal["display", "size", "colour", "offscreen", "attribute", "zero_width"]
ReportKind = Literal["bounce", "delay", "delivered", "complaint", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A sign-in or confirmation code in the text."""

    code: str
    context: str  # the line that holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The first event of an iCalendar object (RFC 5545). Times are as written where they have no zone."""

    method: str | None  # REQUEST, REPLY, CANCEL and so on, upper-case
    uid: str | None
    sequence: int
    summary: str
    start: str | None  # RFC 3339; a date alone for a whole day; without offset for a floating time
    end: str | None
    location: str
    organizer: Mailbox | None
    attendees: tuple[Mailbox, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecipient:
    """What a report says of one recipient (RFC 3464 §2.3)."""

    address: str
    action: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A bounce, delay or delivery notice, complaint or read receipt about an outbound message."""

    kind: ReportKind
    email_message_id: str | None  # with angle brackets, of the message the report is about
    recipients: tuple[ReportRecipient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingList:
    """The list a message came through (RFC 2919, RFC 2369, RFC 8058)."""

    id: str | None  # without angle brackets
    unsubscribe: str | None  # the HTTPS URL if there is one, else another
    one_click: bool  # a POST to the URL is enough (RFC 8058)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An attachment without its bytes: a part that does not belong to the body."""

    index: int  # position in the list, and the argument of attachment()
    filename: str | None  # safe to write and to show; None if the message gives none
    content_type: str  # type/subtype, lower-case
    size: int  # decoded bytes
    sha256: str  # of the decoded bytes, hex
    content_id: str | None  # without angle brackets
    inline: bool  # the HTML refers to it
    message: "InnerMail | None" = None  # the part is a mail


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerAttachment:
    """An attachment of a mail in the mail."""

    index: int | None  # of the same file in the attachments of the message; None if it is not listed there
    filename: str | None
    content_type: str
    size: int  # decoded bytes
    message: "InnerMail | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerMail:
    """A mail that is a part of the message, such as a forwarded one."""

    from_: Mailbox | None
    subject: str
    date: datetime | None  # aware, UTC
    text: str
    attachments: tuple[InnerAttachment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An attachment with its bytes."""

    content: bytes  # transfer-decoded
    content_type: str
    filename: str | None
    unpacked: bool = False  # the bytes are inside another part that is listed


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """The content of a message. All strings are safe for the database and JSON."""

    text: str  # LF line ends; extracted from the HTML if there is no plain part; empty without either
    html: str | None  # as the sender wrote it; untrusted, never render it
    charset_used: str | None  # of the plain text, else of the HTML; None without a body
    truncated: bool  # text or HTML was cut at 256 KiB of UTF-8
    attachments: tuple[Attachment, ...]
    attachments_truncated: bool  # the message has more attachments than are listed
    headers: tuple[tuple[str, str], ...]  # names as written, values decoded and unfolded, topmost first
    defects: tuple[str, ...]  # one sentence for each problem the parser found
    text_is_inside: bool = False  # the body says nothing: the text is of a mail, report or invitation inside
    links: tuple[PageLink, ...] = ()  # of the HTML, at most 100
    hidden: tuple[Hidden, ...] = ()  # of the HTML, at most 20 of 500 characters
    calendar: Calendar | None = None
    report: Report | None = None
