"""An event that a provider reports about a message after accepting it, in one form for every provider."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.records.feedback import FeedbackKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFeedback:
    """The part of an event that concerns one recipient."""

    recipient: str  # the normalised address, or the provider's text where that is no address
    address: str | None  # the normalised address; None where there is none
    detail: str  # the words of the server or provider that reported it


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One step of a message after the provider accepted it. Its texts are printable and bounded."""

    provider: str  # for people, as in an error text
    kind: FeedbackKind | Literal["accepted"]  # accepted: the provider has the message; it names no recipient yet
    event_id: str  # the same each time the provider repeats the event
    provider_message_id: str
    attempt_id: str | None  # our send attempt; None where the provider does not return it
    message_id: str | None  # our message, where the provider quotes its header
    is_permanent: bool
    recipients: tuple[RecipientFeedback, ...]  # each once, in order
    at: datetime | None
