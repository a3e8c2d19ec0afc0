"""The parsed message as an agent gets it: text, HTML, attachments, headers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An attachment without its bytes: a part that does not belong to the body."""

    index: int  # position in the list, and the argument of attachment()
    filename: str | None  # safe to write and to show; None if the message gives none
    content_type: str  # type/subtype, lower-case
    size: int  # decoded bytes
    sha256: str  # of the decoded bytes, hex
    content_id: str | None  # without angle brackets
    inline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An attachment with its bytes."""

    content: bytes  # transfer-decoded
    content_type: str
    filename: str | None


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
