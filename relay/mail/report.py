"""Read reports about a sent message: bounces, delays, deliveries, complaints and read receipts.

RFC 3464, RFC 5965 and RFC 8098 have a part for programs; without one the forms of Exim and qmail are read. What a
report says is a claim of its sender: relay/outbound decides whether it is about a message of this relay. Linear in the
bytes that are read, which are bounded; never raises.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from relay.mail.decode import clean_line, decode_bytes
from relay.mail.fields.mailbox import parse_mailboxes
from relay.mail.fields.message_ids import message_ids
from relay.mail.headers import split_headers
from relay.mail.parsed_mail import Report, ReportKind, ReportRecipient

MAX_RECIPIENTS: Final = 100
_MAX_PART: Final = 64 * 1024  # bytes that are read of one part
_MAX_DETAIL: Final = 500
_MAX_TEXT: Final = 64 * 1024  # characters
_STATUS_PARTS: Final = ("message/delivery-status", "message/global-delivery-status")
_COMPLAINT_PART: Final = "message/feedback-report"
_RECEIPT_PARTS: Final = ("message/disposition-notification", "message/global-disposition-notification")
_RETURNED_PARTS: Final = (
    "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers",
)  # fmt: skip
_BLOCKS: Final = re.compile(rb"(?:\r?\n[ \t]*){2,}")
_STATUS: Final = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_KINDS: Final[Mapping[str, ReportKind]] = {
    "failed": "bounce", "delayed": "delay", "delivered": "delivered", "relayed": "delivered", "expanded": "delivered",
}  # fmt: skip
_ACTIONS: Final = {"5": "failed", "4": "delayed", "2": "delivered"}  # by the class of a status, where Action is missing
_RECIPIENT_LINE: Final = re.compile(r"^[ \t]*<?([^\s<>@:]{1,255}@[^\s<>:]{1,255})>?:?[ \t]*(.*)$", re.MULTILINE)
_ID_LINE: Final = re.compile(r"^[> \t]*Message-ID:[ \t]*(<[^<>\s]{1,900}>)", re.MULTILINE | re.IGNORECASE)
_DELAY_WORDS: Final = re.compile(r"delay|still trying|not yet been delivered|warning", re.IGNORECASE)


class ReportPart(Protocol):
    """A leaf of the message."""

    @property
    def content_type(self) -> str:
        """``type/subtype``, lower-case."""

    def read(self, limit: int | None = None) -> bytes:
        """The decoded bytes, at most *limit* and one."""


def read_report(
    parts: Sequence[ReportPart], values: Mapping[str, bytes], text: str, *, is_bounce: bool
) -> Report | None:
    """The report in a message with these leaf *parts*; None for other mail.

    *values* are header fields by lower-case name, *text* is the body for people. *is_bounce* says that the header marks
    the message as a bounce; only then the text is searched.
    """
    returned = _returned_id(parts, text if is_bounce else "")
    for part in parts:
        if part.content_type in _STATUS_PARTS:
            return _delivery_report(_blocks(part), returned)
        if part.content_type == _COMPLAINT_PART:
            return _complaint(_blocks(part), returned)
        if part.content_type in _RECEIPT_PARTS:
            return _receipt(_blocks(part), returned)
    return _in_words(values, text[:_MAX_TEXT], returned) if is_bounce else None


def _blocks(part: ReportPart) -> list[dict[str, str]]:
    """The groups of fields of a part for programs, which empty lines separate."""
    content = part.read(_MAX_PART)[:_MAX_PART].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").lstrip(b"\r\n")
    blocks = (_fields(block) for block in _BLOCKS.split(content, maxsplit=MAX_RECIPIENTS))
    return [block for block in blocks if block]


def _fields(block: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in split_headers(block.strip(b"\r\n") + b"\r\n\r\n").fields:
        if field.name:
            fields.setdefault(field.name, clean_line(decode_bytes(field.value[:4000], None)[0]).strip())
    return fields


def _delivery_report(blocks: Sequence[Mapping[str, str]], returned: str | None) -> Report | None:
    """A delivery status notification (RFC 3464 §2): the message's fields, then those of each recipient."""
    named = [block for block in blocks if "final-recipient" in block or "original-recipient" in block]
    recipients = tuple(_status_of(block) for block in named)
    kinds = {_KINDS[each.action] for each in recipients if each.action in _KINDS}
    kind = next((kind for kind in ("bounce", "delay", "delivered") if kind in kinds), None)
    return _report(kind, returned, recipients) if kind else None


def _status_of(block: Mapping[str, str]) -> ReportRecipient:
    diagnostic = _behind_type(block.get("diagnostic-code", ""))
    status = next(iter(_STATUS.findall(block.get("status", "")) or _STATUS.findall(diagnostic)), "")
    action = block.get("action", "").partition(" ")[0].lower() or _ACTIONS.get(status[:1], "")
    written = block.get("original-recipient") or block.get("final-recipient", "")
    return ReportRecipient(
        address=_address(_behind_type(written)), action=action, status=status, diagnostic=diagnostic[:_MAX_DETAIL]
    )


def _complaint(blocks: Sequence[Mapping[str, str]], returned: str | None) -> Report | None:
    """A feedback report (RFC 5965 §3). "not-spam" is the opposite of a complaint."""
    fields: dict[str, str] = {}
    for block in reversed(blocks):
        fields |= block
    kind = fields.get("feedback-type", "").lower()
    if not kind or kind == "not-spam":
        return None
    written = fields.get("original-rcpt-to") or fields.get("removal-recipient") or ""
    address = _address(_behind_type(written))
    found = ReportRecipient(address=address, action="", status="", diagnostic=kind[:_MAX_DETAIL])
    return _report("complaint", returned, (found,) if address else ())


def _receipt(blocks: Sequence[Mapping[str, str]], returned: str | None) -> Report | None:
    """A message disposition notification (RFC 8098 §3), if it says that the message was displayed."""
    fields = next((block for block in blocks if "disposition" in block), {})
    disposition = fields.get("disposition", "")
    if "displayed" not in disposition.partition(";")[2].lower():
        return None
    ids = message_ids(fields.get("original-message-id", "").encode())
    address = _address(_behind_type(fields.get("original-recipient") or fields.get("final-recipient", "")))
    found = ReportRecipient(address=address, action="displayed", status="", diagnostic=disposition[:_MAX_DETAIL])
    return _report("read", ids[0] if ids else returned, (found,) if address else ())


def _in_words(values: Mapping[str, bytes], text: str, returned: str | None) -> Report | None:
    """A bounce without a part for programs: recipients of X-Failed-Recipients, or those on lines of their own."""
    failed = [box.address for box in parse_mailboxes(values.get("x-failed-recipients", b"")) if box.address]
    head = text[: found.start()] if (found := _ID_LINE.search(text)) else text
    lines = {found[1].lower(): (found.end(1), found[2]) for found in reversed(list(_RECIPIENT_LINE.finditer(head)))}
    addresses = failed or [address for address, (end, rest) in lines.items() if _STATUS.search(head[end : end + 1000])]
    if not addresses:
        return None
    subject = values.get("subject", b"").decode("utf-8", "replace")
    action = "delayed" if _DELAY_WORDS.search(subject) else "failed"
    recipients = []
    for address in addresses[:MAX_RECIPIENTS]:
        place = lines[address.lower()][0] if address.lower() in lines else head.lower().find(address.lower())
        words = " ".join(head[place : place + 1000].lstrip(">: \t\n").split("\n\n")[0].split()) if place >= 0 else ""
        status = next(iter(_STATUS.findall(words)), "")
        found_here = ReportRecipient(
            address=_address(address), action=action, status=status, diagnostic=words[:_MAX_DETAIL]
        )
        recipients.append(found_here)
    return _report(_KINDS[action], returned, tuple(recipients))


def _report(kind: ReportKind, returned: str | None, recipients: Sequence[ReportRecipient]) -> Report:
    return Report(kind=kind, email_message_id=returned, recipients=tuple(recipients[:MAX_RECIPIENTS]))


def _returned_id(parts: Sequence[ReportPart], text: str) -> str | None:
    """The Message-ID of the message that the report is about."""
    for part in parts:
        if part.content_type in _RETURNED_PARTS:
            content = part.read(_MAX_PART)[:_MAX_PART].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            field = split_headers(content.lstrip(b"\r\n")).first("message-id")
            return next(iter(message_ids(field.value)), None) if field else None
    found = _ID_LINE.search(text[:_MAX_TEXT])
    return found[1] if found else None


def _behind_type(written: str) -> str:
    """The value behind its type, as in ``rfc822; ana@example.com`` (RFC 3464 §2.1.2)."""
    kind, semicolon, value = written.partition(";")
    return value.strip() if semicolon and " " not in kind.strip() else written.strip()


def _address(written: str) -> str:
    found = parse_mailboxes(written[:1000].encode("utf-8", "replace"))
    return found[0].address if len(found) == 1 else ""
