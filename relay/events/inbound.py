"""The JSON of received messages: the message document (docs/contract.md §5) and its event. Pure."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from relay.clock import rfc3339
from relay.events.reading import MailReading
from relay.mail.fields.mailbox import Mailbox
from relay.mail.headers import split_headers
from relay.mail.html_text.html_text import Hidden, PageLink
from relay.mail.parse import parse
from relay.mail.parsed_mail import (
    Attachment,
    Calendar,
    Code,
    InnerAttachment,
    InnerMail,
    MailingList,
    ParsedMail,
    Report,
)
from relay.mail.reply.forward import is_forward
from relay.mail.reply.preview import preview
from relay.mail.reply_text import reply_text
from relay.mail.signin.codes import find_codes
from relay.mail.summary import Summary, summarise
from relay.signing.secrets import Secret
from relay.signing.webhook import sign
from store.names import normalise_domain
from store.records.mail import Message

RAW_INLINE_BYTES: Final = 65_536  # the event carries the raw message up to this size


def event_body(*, event_id: str, event_type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The bytes of an event, which are signed and sent."""
    return orjson.dumps({"type": event_type, "id": event_id, "timestamp": rfc3339(at), "data": data})


def message_event(
    message: Message, raw: bytes | MailReading, *, event_id: str, event_type: str, at: datetime, base_url: str
) -> bytes:
    """The bytes of an event about an inbound message, for webhook and stream. Costs as much as message_data."""
    data = message_data(message, raw, base_url=base_url)
    return event_body(event_id=event_id, event_type=event_type, at=at, data=data)


def event_headers(
    seal: dict[str, str], body: bytes, *, event_id: str, at: datetime, secrets: Sequence[Secret]
) -> dict[str, str]:
    """The HTTP headers of an event's *body* sent at *at*: the webhook's signature and the message's *seal*.

    An event about an outbound message has no seal.
    """
    return sign(event_id, at, body, secrets) | seal


def message_data(message: Message, raw: bytes | MailReading, *, base_url: str) -> dict[str, Any]:
    """The whole document of an inbound message. Parses *raw*, in time linear in its size."""
    reading = raw if isinstance(raw, MailReading) else MailReading(raw)
    raw, headers = reading.raw, reading.headers or split_headers(reading.raw)
    summary = reading.summary or summarise(headers, null_sender=message.mail_from == "")
    parsed = parse(raw, headers, is_bounce=summary.automated_reason == "bounce")
    links = _Links(base_url, message)
    reply = reply_text(parsed.text, forwarded=parsed.text_is_inside or is_forward(summary.subject))
    return {
        **_identity(message),
        **_header_part(summary),
        **_content_part(parsed, reply, links),
        **_findings(message, parsed, reply, summary),
        **_proof(message),
        "raw_size": message.raw_size,
        "raw_sha256": message.raw_sha256,
        "raw_url": links.raw,
        "raw": base64.b64encode(raw).decode("ascii") if len(raw) <= RAW_INLINE_BYTES else None,
        "received_at": rfc3339(message.received_at),
    }


def message_item(message: Message) -> dict[str, Any]:
    """The document of a message in lists: without its texts, so its bytes are not read."""
    return {
        **_identity(message),
        "status": message.status,
        "from": {"name": message.from_name, "address": message.from_address},
        "subject": message.subject,
        "email_message_id": f"<{message.email_message_id}>" if message.email_message_id else None,
        **_proof(message),
        "raw_size": message.raw_size,
        "raw_sha256": message.raw_sha256,
        "received_at": rfc3339(message.received_at),
    }


def _identity(message: Message) -> dict[str, Any]:
    return {
        "message_id": message.id,
        "agent": message.agent,
        "recipient": message.recipient,
        "tag": message.tag,
        "conversation_id": message.conversation_id,
        "envelope": {
            "mail_from": message.mail_from,
            "rcpt_to": message.recipient,
            "remote_ip": message.remote_ip,
            "helo": message.helo,
            "tls": message.tls,
        },
        "automated": message.automated,
    }


def _header_part(summary: Summary) -> dict[str, Any]:
    return {
        "from": _mailbox(summary.from_) if summary.from_ else None,
        "reply_to": _mailboxes(summary.reply_to),
        "to": _mailboxes(summary.to),
        "cc": _mailboxes(summary.cc),
        "subject": summary.subject,
        "date": rfc3339(summary.date) if summary.date else None,
        "email_message_id": summary.email_message_id,
        "in_reply_to": summary.in_reply_to,
        "references": list(summary.references),
    }


def _content_part(parsed: ParsedMail, reply: str, links: "_Links") -> dict[str, Any]:
    return {
        "text": parsed.text,
        "html": parsed.html,
        "reply_text": reply,
        "truncated": parsed.truncated,
        "attachments": [_attachment(attachment, links) for attachment in parsed.attachments],
        "headers": [list(header) for header in parsed.headers],
    }


def _findings(message: Message, parsed: ParsedMail, reply: str, summary: Summary) -> dict[str, Any]:
    """What is read out of the content, for programs."""
    return {
        "automated_reason": _automated_reason(message, summary),
        "reply_to_foreign": _is_reply_to_foreign(message, summary),
        "preview": preview(reply),
        "links": [_link(each) for each in parsed.links],
        "codes": [_code(each) for each in find_codes(summary.subject, parsed.text)],
        "hidden_text": [_hidden(each) for each in parsed.hidden],
        "calendar": _calendar(parsed.calendar) if parsed.calendar else None,
        "report": _report(parsed.report, message.report_of) if parsed.report else None,
        "list": _mailing_list(summary.mailing_list) if summary.mailing_list else None,
        "parse": {
            "charset": parsed.charset_used,
            "defects": list(parsed.defects),
            "attachments_truncated": parsed.attachments_truncated,
        },
    }


def _automated_reason(message: Message, summary: Summary) -> str | None:
    by_agent = message.auth_headers.get("Mailseal-Entity-Type") == "agent"
    return "agent" if by_agent and message.automated else summary.automated_reason


def _code(code: Code) -> dict[str, str]:
    return {"code": code.code, "context": code.context}


def _is_reply_to_foreign(message: Message, summary: Summary) -> bool:
    """Whether Reply-To names a domain other than that of the author, the verified one where it is verified."""
    author = message.verified_domain or (_domain(summary.from_.address) if summary.from_ else "")
    return any(_domain(each.address) != author for each in summary.reply_to)


def _domain(address: str) -> str:
    written = address.rpartition("@")[2]
    try:
        return normalise_domain(written)
    except ValueError:
        return written.lower()


def _link(link: PageLink) -> dict[str, Any]:
    return {"url": link.url, "text": link.text, "host": link.host, "misleading": link.misleading}


def _hidden(hidden: Hidden) -> dict[str, str]:
    return {"reason": hidden.reason, "text": hidden.text}


def _calendar(calendar: Calendar) -> dict[str, Any]:
    return {
        "method": calendar.method,
        "uid": calendar.uid,
        "sequence": calendar.sequence,
        "summary": calendar.summary,
        "start": calendar.start,
        "end": calendar.end,
        "location": calendar.location,
        "organizer": _mailbox(calendar.organizer) if calendar.organizer else None,
        "attendees": _mailboxes(calendar.attendees),
    }


def _report(report: Report, about: str | None) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "message_id": about,
        "email_message_id": report.email_message_id,
        "recipients": [
            {"address": each.address, "action": each.action, "status": each.status, "diagnostic": each.diagnostic}
            for each in report.recipients
        ],
    }


def _mailing_list(each: MailingList) -> dict[str, Any]:
    return {"id": each.id, "unsubscribe": each.unsubscribe, "one_click": each.one_click}


def _proof(message: Message) -> dict[str, Any]:
    return {
        "verified": message.verified,
        "verified_domain": message.verified_domain,
        "authentication": message.authentication,
        "auth_headers": message.auth_headers,
    }


def _attachment(attachment: Attachment, links: "_Links") -> dict[str, Any]:
    return {
        "index": attachment.index,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "content_id": attachment.content_id,
        "inline": attachment.inline,
        "message": _inner_mail(attachment.message) if attachment.message else None,
        "url": f"{links.message}/attachments/{attachment.index}",
    }


def _inner_mail(mail: InnerMail) -> dict[str, Any]:
    return {
        "from": _mailbox(mail.from_) if mail.from_ else None,
        "subject": mail.subject,
        "date": rfc3339(mail.date) if mail.date else None,
        "text": mail.text,
        "attachments": [_inner_attachment(each) for each in mail.attachments],
    }


def _inner_attachment(attachment: InnerAttachment) -> dict[str, Any]:
    return {
        "index": attachment.index,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "message": _inner_mail(attachment.message) if attachment.message else None,
    }


class _Links:
    """The URLs of a message, its raw bytes and its attachments."""

    def __init__(self, base_url: str, message: Message) -> None:
        self.message = f"{base_url}/v1/agents/{quote(message.agent, safe='')}/messages/{message.id}"
        self.raw = f"{self.message}/raw"


def _mailbox(mailbox: Mailbox) -> dict[str, str]:
    return {"name": mailbox.name, "address": mailbox.address}


def _mailboxes(mailboxes: Sequence[Mailbox]) -> list[dict[str, str]]:
    return [_mailbox(mailbox) for mailbox in mailboxes]
