"""Records of sessions, letters, usage, idempotent requests and exports; frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

UsageKind = Literal["received", "sent", "failed", "bounced", "complained"]
LetterKind = Literal["review", "sign_in"]
RequestState = Literal["new", "under way", "answered"]
ExportedKind = Literal["header", "domain", "agent", "api_key", "message", "usage_event", "suppression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A console session, without its token."""

    user_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter of the relay to a user, as claimed by a worker."""

    id: str
    user_id: str
    kind: LetterKind
    message_id: str | None  # of a review letter: the held message
    revision: int | None  # revision of that message when the letter was enqueued
    attempts: int  # including this one; also the fencing token
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncedLetter:
    """A letter of the relay that, or whose link, came back by mail."""

    id: str
    user_id: str
    email: str  # of the user: the letter's recipient
    kind: LetterKind
    message_id: str | None
    created_at: datetime
    bounced_at: datetime
    bounce: str  # what the returned mail said; empty if unknown


@dataclass(frozen=True, slots=True)
class UsageAmount:
    """Count and size of one kind of usage."""

    count: int  # messages
    bytes: int


@dataclass(frozen=True, slots=True)
class DayUsage:
    """Usage of one user on one day."""

    day: date  # UTC
    kinds: Mapping[UsageKind, UsageAmount]  # without kinds that have no usage


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One counted message. Its agent and message may be deleted."""

    number: int
    kind: UsageKind
    agent: str
    message_id: str
    bytes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class BegunRequest:
    """The state of a request with an idempotency key."""

    state: RequestState  # new: this caller runs the request
    status: int | None = None  # HTTP status of the stored answer, if answered
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """One exported object as JSON values; times are aware datetimes."""

    kind: ExportedKind
    values: Mapping[str, Any]
