"""What queries answer about a mail's further way, and about who is not written to any more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FeedbackKind = Literal["delivered", "bounced", "complained", "delayed", "rejected"]
SuppressionReason = Literal["bounced", "complained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a provider told of a mail to one recipient."""

    event_id: str  # the provider's
    kind: FeedbackKind
    recipient: str  # as addresses are compared, or the provider's own words where they are none
    is_permanent: bool = False  # trying again cannot help
    detail: str = ""  # the provider's words, or its next hop's
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that a user's agents do not write to any more."""

    address: str
    reason: SuppressionReason
    detail: str  # what the provider said
    message_id: str | None  # the mail that it followed from, which may be gone
    created_at: datetime
