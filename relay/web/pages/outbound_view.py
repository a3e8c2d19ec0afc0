"""Everything that a person sees of a mail that an agent wrote, read in one transaction."""

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

# The gravest first: a page shows one.
_MARKS: Final[Mapping[Mark, str]] = {
    "new_domain": "new domain",
    "elsewhere": "not the domain that it answers",
    "new": "first mail to this address",
}


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """Somebody whom a mail goes to."""

    field: str  # To, Cc or Bcc
    address: str
    name: str  # empty without one
    mark: str  # why to look twice; empty where there is no reason to


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundPageView:
    """An outbound mail with what people want to know of it."""

    message: OutboundMessage
    agent: Agent
    recipients: Sequence[RecipientRow]
    reviewer: User | None
    attempts: Sequence[SendAttempt]
    now: datetime

    @property
    def is_pending(self) -> bool:
        """Whether somebody can still decide."""
        return self.message.status == "pending_approval"

    @property
    def is_over(self) -> bool:
        """Whether the time to decide is over."""
        return self.message.hold_expires_at is not None and self.message.hold_expires_at <= self.now

    @property
    def version(self) -> Version:
        """Which draft this is."""
        return Version(self.message.revision, self.message.digest, self.message.approval_digest)

    @property
    def digest(self) -> str:
        """The beginning of the bytes' digest."""
        return short_digest(self.message.digest)

    @property
    def why(self) -> str:
        """Why a person is asked."""
        return REASONS[self.message.hold_reason or "owner"]

    @property
    def end(self) -> str:
        """What happens when nobody decides."""
        return end_of_hold(self.message, self.agent.hitl_expiration_action)

    @property
    def left(self) -> str:
        """How long there is to decide."""
        until = self.message.hold_expires_at
        return span(until - self.now) if until else ""

    @property
    def outcome(self) -> Sequence[str]:
        """What became of it."""
        return outcome_of(self.message, reviewer=self.reviewer, attempts=self.attempts)


def read_outbound_view(tx: Tx, user_id: str, message_id: str, *, now: datetime) -> OutboundPageView:
    """The view of a mail of this user's. Raises MessageNotFound, for inbound and another's too."""
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
