"""A mail as an agent reads it: texts, attachments and headers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One part that is not the body, listed without its bytes."""

    index: int  # its place in the list, and what attachment() is asked for
    filename: str | None  # safe to write and to show; None where the mail gives none
    content_type: str  # type/subtype, lower-case
    size: int  # decoded bytes
    sha256: str  # of the decoded bytes, hex
    content_id: str | None  # without angle brackets
    inline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One attachment with its bytes."""

    content: bytes  # transfer-decoded
    content_type: str
    filename: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """What a mail says. Every string can be kept and sent as it is."""

    text: str  # LF line ends; read out of the HTML where there is no plain part; empty without either
    html: str | None  # as the sender wrote it, for nobody to execute
    charset_used: str | None  # of the plain text, else of the HTML; None without a body
    truncated: bool  # text or HTML was cut at 256 KiB of UTF-8
    attachments: tuple[Attachment, ...]
    attachments_truncated: bool  # there are more than are listed
    headers: tuple[tuple[str, str], ...]  # names as written, values decoded and unfolded, topmost first
    defects: tuple[str, ...]  # sentences of ours about what could not be read as it should
