"""Texts on pages: times, statuses, outcomes of a message. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from store.records.mail import ExpirationAction, User
from store.records.outbound import HoldReason, OutboundMessage, OutboundStatus, SendAttempt

STATUSES: Final[Mapping[str, str]] = {
    "queued": "queued",
    "pending_approval": "pending approval",
    "sending": "sending",
    "sent": "sent",
    "failed": "failed",
    "unconfirmed": "unconfirmed: may have been sent",
    "rejected": "rejected",
    "expired_approved": "sent after the approval request expired",
    "expired_rejected": "not sent: the approval request expired",
    "unread": "received, unread",
    "read": "received, read",
}
DELIVERIES: Final[Mapping[str, str]] = {"pending": "pending", "delivered": "delivered", "dead": "given up"}
REASONS: Final[Mapping[HoldReason, str]] = {
    "owner": "The owner of this agent reviews all messages before they are sent.",
    "sends": "The agent, or all agents of its owner, reached the limit of messages per hour. More need approval.",
    "replies": "The agent has reached its limit of replies per hour in this conversation. Further ones need approval.",
    "recipients": "The agent, or all agents of its owner, reached the limit of new recipients per day.",
}
_ENDS: Final[Mapping[ExpirationAction, str]] = {
    "approve": "the message is sent, as set by the agent's owner",
    "reject": "the message is not sent",
}
_OUTCOMES: Final[Mapping[OutboundStatus, str]] = {
    "queued": "The message is queued for sending.",
    "sending": "The message is being sent.",
    "sent": "The message was sent.",
    "failed": "The message was not sent. Its content is kept, and the owner can send it again in the console.",
    "unconfirmed": (
        "The message may have been sent: the response of the mail provider was lost. It is not retried "
        "automatically. The owner decides in the console: mark it as sent, or send it again."
    ),
    "rejected": "The message was not sent.",
    "expired_approved": "No decision was made in time. The message was sent, as set by the agent's owner.",
    "expired_rejected": "No decision was made in time. The message was not sent.",
}


def moment(at: datetime) -> str:
    """A time to the minute: ``23 November 2026, 15:17 UTC``."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def span(left: timedelta) -> str:
    """A duration, rounded down: ``3 hours``."""
    seconds = max(0, int(left.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length * 2:
            return f"{seconds // length} {unit}s"
    return "a minute" if seconds >= 60 else "less than a minute"


def end_of_hold(message: OutboundMessage, action: ExpirationAction) -> str:
    """What happens if the approval request expires.

    A message held because of a limit is never sent then.
    """
    return _ENDS[message.expiration_action(action)]


def short_digest(digest: str | None) -> str:
    """The first 16 digits of a digest in groups of four, for people to compare."""
    return " ".join((digest or "")[start : start + 4] for start in (0, 4, 8, 12)).strip()


def outcome_of(message: OutboundMessage, *, reviewer: User | None, attempts: Sequence[SendAttempt]) -> list[str]:
    """Decision and outcome of a message, in sentences; empty while it is pending."""
    if message.status == "pending_approval":
        return []
    sentences = [_OUTCOMES[message.status]]
    if message.reviewed_at is not None:
        verb = "rejected" if message.status == "rejected" else "approved"
        sentences.insert(0, f"{person(reviewer)} {verb} the message on {moment(message.reviewed_at)}.")
    if message.reason:
        sentences.append(f"Reason: {message.reason}")
    if message.status in {"failed", "unconfirmed"} and message.error:
        sentences.append(f"Error: {message.error}")
    sent_at = [each.settled_at for each in attempts if each.outcome == "sent" and each.settled_at]
    return sentences + [f"Accepted for delivery on {moment(at)}." for at in sent_at[-1:]]


def person(user: User | None) -> str:
    """Name and address of a user."""
    if user is None:
        return "A deleted user"
    return f"{user.name} <{user.email}>" if user.name else user.email


def verdict(authentication: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """The authentication results as rows: method, result, sentence.

    *authentication* is the JSON of relay/auth/verdict.py.
    """
    given = authentication or {}
    single = [("SPF", given.get("spf")), ("DMARC", given.get("dmarc")), ("ARC", given.get("arc"))]
    found = [*single[:1], *[("DKIM", each) for each in given.get("dkim") or ()], *single[1:]]
    return [(name, each.get("result", ""), _reason(each)) for name, each in found if each]


def _reason(each: Mapping[str, Any]) -> str:
    domain = each.get("domain") or each.get("sealer")
    detail = each.get("detail") or ""
    return f"{detail} ({domain})" if domain else str(detail)
