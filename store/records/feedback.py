"""Delivery feedback of providers, and the suppression list's entries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

FeedbackKind = Literal["delivered", "bounced", "complained", "delayed", "rejected"]
SuppressionReason = Literal["bounced", "complained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One provider event about one recipient of a message."""

    event_id: str  # assigned by the provider
    kind: FeedbackKind
    recipient: str  # normalised; the provider's text if it is not an address
    is_permanent: bool = False  # a retry cannot help
    detail: str = ""  # text of the provider or of the next hop
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A suppression list entry: a user's agents do not send to this address."""

    address: str
    reason: SuppressionReason
    detail: str  # text of the provider
    message_id: str | None  # the message that caused it; may be deleted
    created_at: datetime
