"""What pages say in words: times, states, and what became of a mail. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from store.records.mail import ExpirationAction, User
from store.records.outbound import HoldReason, OutboundMessage, OutboundStatus, SendAttempt

STATUSES: Final[Mapping[str, str]] = {
    "queued": "waits to be sent",
    "pending_approval": "waits for a decision",
    "sending": "is being sent",
    "sent": "sent",
    "failed": "failed",
    "unconfirmed": "may have been sent",
    "rejected": "rejected",
    "expired_approved": "sent when its time was over",
    "expired_rejected": "not sent: its time was over",
    "unread": "received, not read yet",
    "read": "received, read",
}
DELIVERIES: Final[Mapping[str, str]] = {"pending": "under way", "delivered": "delivered", "dead": "given up"}
REASONS: Final[Mapping[HoldReason, str]] = {
    "owner": "Its owner wants to see everything that this agent writes.",
    "sends": "The agent, or all agents of its owner, reached the number of messages an hour that need no review.",
    "replies": "The agent has answered as often in this conversation in an hour as it may without somebody looking.",
    "recipients": "The agent, or all agents of its owner, reached the new recipients a day that need no review.",
}
_ENDS: Final[Mapping[ExpirationAction, str]] = {
    "approve": "it is sent, as the agent's owner has chosen",
    "reject": "it is not sent",
}
_OUTCOMES: Final[Mapping[OutboundStatus, str]] = {
    "queued": "It waits to be sent.",
    "sending": "It is being sent at this moment.",
    "sent": "It was sent.",
    "failed": "It was not sent. Its content is kept, and its owner can try again in the console.",
    "unconfirmed": (
        "It may have been sent: the answer of the mail provider was lost. Nothing sends it again by itself; "
        "its owner settles in the console what happened."
    ),
    "rejected": "It was not sent.",
    "expired_approved": "Nobody decided in time, so it was sent, as the agent's owner has chosen.",
    "expired_rejected": "Nobody decided in time, so it was not sent.",
}


def moment(at: datetime) -> str:
    """A time, to the minute: ``23 November 2026, 15:17 UTC``."""
    told = at.astimezone(UTC)
    return f"{told.day} {told:%B %Y, %H:%M} UTC"


def span(left: timedelta) -> str:
    """About how long something lasts: ``3 hours``."""
    seconds = max(0, int(left.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length * 2:
            return f"{seconds // length} {unit}s"
    return "a minute" if seconds >= 60 else "less than a minute"


def end_of_hold(message: OutboundMessage, action: ExpirationAction) -> str:
    """What happens when nobody decides; a cap that was reached never ends in a yes."""
    return _ENDS[message.expiration_action(action)]


def short_digest(digest: str | None) -> str:
    """The beginning of a digest, as people can compare it."""
    return " ".join((digest or "")[start : start + 4] for start in (0, 4, 8, 12)).strip()


def outcome_of(message: OutboundMessage, *, reviewer: User | None, attempts: Sequence[SendAttempt]) -> list[str]:
    """Who decided what, and what became of it, in sentences; none for a mail that still waits."""
    if message.status == "pending_approval":
        return []
    told = [_OUTCOMES[message.status]]
    if message.reviewed_at is not None:
        verb = "rejected" if message.status == "rejected" else "approved"
        told.insert(0, f"{person(reviewer)} {verb} it on {moment(message.reviewed_at)}.")
    if message.reason:
        told.append(f"They said: {message.reason}")
    if message.status in {"failed", "unconfirmed"} and message.error:
        told.append(f"What the mail provider said: {message.error}")
    gone = [each.settled_at for each in attempts if each.outcome == "sent" and each.settled_at]
    return told + [f"It was handed over on {moment(at)}." for at in gone[-1:]]


def person(user: User | None) -> str:
    """Who somebody is, to others of the house."""
    if user is None:
        return "Somebody whose account is gone"
    return f"{user.name} <{user.email}>" if user.name else user.email


def verdict(authentication: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """The reasons of a verdict: of what, the result's word, and a sentence. See relay/auth/verdict.py."""
    told = authentication or {}
    single = [("SPF", told.get("spf")), ("DMARC", told.get("dmarc")), ("ARC", told.get("arc"))]
    found = [*single[:1], *[("DKIM", each) for each in told.get("dkim") or ()], *single[1:]]
    return [(name, each.get("result", ""), _reason(each)) for name, each in found if each]


def _reason(each: Mapping[str, Any]) -> str:
    domain = each.get("domain") or each.get("sealer")
    told = each.get("detail") or ""
    return f"{told} ({domain})" if domain else str(told)
