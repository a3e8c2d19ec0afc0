"""The JSON of outbound messages: the whole document, the item of a list, and its event. Pure."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from relay.clock import rfc3339
from relay.events.inbound import RAW_INLINE_BYTES, event_body
from store.records.feedback import Feedback
from store.records.outbound import AttachmentInfo, OutboundMessage, OutboundSummary, SendAttempt


def outbound_event(
    message: OutboundMessage, details: dict[str, Any] | None, *, event_id: str, event_type: str, at: datetime
) -> bytes:
    """The bytes of an event about an outbound message: its item and the event's *details*."""
    data = {**outbound_item(message), "details": details or {}}
    return event_body(event_id=event_id, event_type=event_type, at=at, data=data)


def outbound_document(
    message: OutboundMessage,
    raw: bytes | None,
    *,
    attempts: Sequence[SendAttempt],
    feedback: Sequence[Feedback],
    base_url: str,
) -> dict[str, Any]:
    """The whole document of an outbound message; *raw* are its wire bytes while they are kept."""
    own = f"{base_url}/v1/agents/{quote(message.agent, safe='')}/messages/{message.id}"
    answered = message.answered
    return {
        **outbound_item(message),
        "in_reply_to": _bracketed(answered.in_reply_to if answered else None),
        "references": [f"<{each}>" for each in (answered.references if answered else ())],
        "text": message.text,
        "html": message.html,
        "attachments": [_attachment(each) for each in message.attachments],
        "headers": [list(header) for header in message.headers],
        "recipients": _recipients(message, feedback),
        "attempts": [_attempt(each) for each in attempts],
        "raw_url": f"{own}/raw" if message.raw_sha256 else None,
        "raw": base64.b64encode(raw).decode("ascii") if raw is not None and len(raw) <= RAW_INLINE_BYTES else None,
    }


def outbound_item(message: OutboundSummary) -> dict[str, Any]:
    """The document of an outbound message in lists: without its texts."""
    return {
        "message_id": message.id,
        "agent": message.agent,
        "direction": "outbound",
        "status": message.status,
        "kind": message.kind,
        "conversation_id": message.conversation_id,
        "from": _mailbox("", message.mail_from),
        "reply_to": [] if message.mail_from == message.agent else [_mailbox("", message.agent)],
        **{field: [_mailbox(message.name_of(each), each) for each in people] for field, people in message.by_field},
        "subject": message.subject,
        "date": rfc3339(message.created_at),
        "email_message_id": _bracketed(message.email_message_id),
        "provider_message_id": message.provider_message_id,
        "revision": message.revision,
        "hold_reason": message.hold_reason,
        "hold_expires_at": _time(message.hold_expires_at),
        "reviewed_by": message.reviewed_by,
        "reviewed_at": _time(message.reviewed_at),
        "reason": message.reason,
        "error": message.error,
        "raw_size": message.raw_size,
        "raw_sha256": message.digest,
        "approval_sha256": message.approval_digest,
        "created_at": rfc3339(message.created_at),
        "scrubbed_at": _time(message.scrubbed_at),
    }


def _recipients(message: OutboundMessage, feedback: Sequence[Feedback]) -> list[dict[str, Any]]:
    """All recipients, each with its last feedback."""
    last = {part.recipient.lower(): part for part in feedback}
    return [_recipient(field, each, last.get(each.lower())) for field, people in message.by_field for each in people]


def _recipient(field: str, address: str, last: Feedback | None) -> dict[str, Any]:
    return {
        "address": address,
        "field": field,
        "status": last.kind if last else None,
        "detail": last.detail if last else None,
        "at": rfc3339(last.at) if last else None,
    }


def _attempt(each: SendAttempt) -> dict[str, Any]:
    return {
        "attempt_id": each.id,
        "origin": each.origin,
        "outcome": each.outcome,
        "began_at": rfc3339(each.began_at),
        "settled_at": _time(each.settled_at),
        "provider_message_id": each.provider_message_id,
        "error": each.error,
    }


def _attachment(each: AttachmentInfo) -> dict[str, Any]:
    return {
        "index": each.number,
        "filename": each.filename,
        "content_type": each.content_type,
        "size": each.size,
    }


def _mailbox(name: str, address: str) -> dict[str, str]:
    return {"name": name, "address": address}


def _bracketed(message_id: str | None) -> str | None:
    return f"<{message_id}>" if message_id else None


def _time(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None
