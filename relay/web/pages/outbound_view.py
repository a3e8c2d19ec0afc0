"""An outbound message for display to people, read in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.web.pages.wording import REASONS, end_of_hold, outcome_of, short_digest, span
from store.directory.agents import get_agent_by_id
from store.directory.users import get_user_by_id
from store.errors import UserNotFound
from store.outbound.known_recipients import KnownRecipients, Mark, known_recipients_of
from store.outbound.outbound import get_outbound_message_for_user
from store.outbound.sending import list_send_attempts
from store.records.mail import Agent, User
from store.records.outbound import OutboundMessage, SendAttempt, Version
from store.transaction import Tx

# Most important first: a page shows only one.
_MARKS: Final[Mapping[Mark, str]] = {
    "new_domain": "new domain",
    "elsewhere": "not the domain of the original sender",
    "new": "first message to this address",
}


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient of the message."""

    field: str  # To, Cc or Bcc
    address: str
    name: str  # empty if unknown
    mark: str  # a warning for the reviewer; empty without one


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundPageView:
    """An outbound message with the texts that pages show about it."""

    message: OutboundMessage
    agent: Agent
    recipients: Sequence[RecipientRow]
    reviewer: User | None
    attempts: Sequence[SendAttempt]
    now: datetime

    @property
    def is_pending(self) -> bool:
        """Whether the message is pending approval."""
        return self.message.status == "pending_approval"

    @property
    def is_over(self) -> bool:
        """Whether the approval request has expired."""
        return self.message.hold_expires_at is not None and self.message.hold_expires_at <= self.now

    @property
    def version(self) -> Version:
        """The version of the draft."""
        return Version(self.message.revision, self.message.digest, self.message.approval_digest)

    @property
    def digest(self) -> str:
        """The beginning of the SHA-256 of the bytes."""
        return short_digest(self.message.digest)

    @property
    def why(self) -> str:
        """Why the message needs approval."""
        return REASONS[self.message.hold_reason or "owner"]

    @property
    def end(self) -> str:
        """What happens if the approval request expires."""
        return end_of_hold(self.message, self.agent.hitl_expiration_action)

    @property
    def left(self) -> str:
        """The time left to decide."""
        until = self.message.hold_expires_at
        return span(until - self.now) if until else ""

    @property
    def outcome(self) -> Sequence[str]:
        """Decision and outcome, in sentences."""
        return outcome_of(self.message, reviewer=self.reviewer, attempts=self.attempts)


def read_outbound_view(tx: Tx, user_id: str, message_id: str, *, now: datetime) -> OutboundPageView:
    """Read the view of a user's outbound message.

    Raises MessageNotFound, also for an inbound message and for one of another user.
    """
    message = get_outbound_message_for_user(tx, user_id, message_id, now=now)
    return OutboundPageView(
        message=message,
        agent=get_agent_by_id(tx, user_id, message.agent),
        recipients=_recipient_rows(message, known_recipients_of(tx, message)),
        reviewer=_user(tx, message.reviewed_by),
        attempts=list_send_attempts(tx, message.id),
        now=now,
    )


def _recipient_rows(message: OutboundMessage, known: KnownRecipients) -> list[RecipientRow]:
    return [
        RecipientRow(field.capitalize(), each, message.name_of(each), _mark(each, known))
        for field, people in message.by_field
        for each in people
    ]


def _mark(address: str, known: KnownRecipients) -> str:
    marks = known.marks(address)
    return next((words for mark, words in _MARKS.items() if mark in marks), "")


def _user(tx: Tx, user_id: str | None) -> User | None:
    try:
        return get_user_by_id(tx, user_id) if user_id else None
    except UserNotFound:
        return None
