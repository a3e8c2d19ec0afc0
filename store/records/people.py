"""What queries about people answer: their sessions, what they are counted by, and what they asked for twice."""

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
    """A person who is signed in, without the token that says so."""

    user_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter of the relay's own to a person, as a worker that is to send it has it."""

    id: str
    user_id: str
    kind: LetterKind
    message_id: str | None  # of a review letter: what waits
    revision: int | None  # of that message, when the letter was asked for
    attempts: int  # this one included; names the claim, too
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UsageAmount:
    """How much of one kind."""

    count: int  # mails
    bytes: int


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What a user was counted on one day."""

    day: date  # of UTC
    kinds: Mapping[UsageKind, UsageAmount]  # without those of which there was nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One thing that was counted. The agent and the message may be gone."""

    number: int
    kind: UsageKind
    agent: str
    message_id: str
    bytes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class BegunRequest:
    """What is known of a request that came with an idempotency key."""

    state: RequestState  # new: whoever asked does the work, and nobody else
    status: int | None = None  # of the kept answer, when it is answered
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """One thing a user owns, as JSON can hold it: times are aware datetimes, everything else plain."""

    kind: ExportedKind
    values: Mapping[str, Any]
