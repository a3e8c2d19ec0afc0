"""A mail that an agent wrote, with everything that became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from relay.events.inbound import RAW_INLINE_BYTES
from relay.events.outbound import outbound_document
from store.engine import Store
from store.mail.bodies import read_body
from store.outbound.feedback import list_feedback
from store.outbound.outbound import get_outbound_message, get_outbound_message_for_user, get_outbound_message_of_agent
from store.outbound.sending import list_send_attempts
from store.records.feedback import Feedback
from store.records.outbound import OutboundMessage, SendAttempt
from store.transaction import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundView:
    """The message and what belongs to it."""

    message: OutboundMessage
    raw: bytes | None = field(repr=False)  # of a short one that is kept
    attempts: tuple[SendAttempt, ...]  # oldest first
    feedback: tuple[Feedback, ...]  # in the order in which it came

    def document(self, *, base_url: str) -> dict[str, Any]:
        """As the API shows it."""
        return outbound_document(
            self.message, self.raw, attempts=self.attempts, feedback=self.feedback, base_url=base_url
        )


async def read_outbound_for_user(user_id: str, message_id: str, *, store: Store, now: datetime) -> OutboundView:
    """A mail of one of this user's agents. Raises MessageNotFound."""
    return await store.read(lambda tx: _written(tx, get_outbound_message_for_user(tx, user_id, message_id, now=now)))


async def read_outbound_of_agent(agent: str, message_id: str, *, store: Store, now: datetime) -> OutboundView:
    """A mail of this agent. Raises MessageNotFound."""
    return await store.read(lambda tx: _written(tx, get_outbound_message_of_agent(tx, agent, message_id, now=now)))


def find_outbound_view(tx: Tx, message_id: str) -> OutboundView:
    """A mail of whichever agent, for the operator. Raises MessageNotFound."""
    return _written(tx, get_outbound_message(tx, message_id))


def _written(tx: Tx, message: OutboundMessage) -> OutboundView:
    short = message.raw_sha256 is not None and message.raw_size <= RAW_INLINE_BYTES
    return OutboundView(
        message=message,
        raw=read_body(tx, message.raw_sha256) if short and message.raw_sha256 else None,
        attempts=tuple(list_send_attempts(tx, message.id)),
        feedback=tuple(list_feedback(tx, message.id)),
    )
