"""An outbound message with its attempts, provider feedback and short raw bytes."""

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
    """One outbound message for the API, the console or the command line."""

    message: OutboundMessage
    raw: bytes | None = field(repr=False)  # None when the bytes are long or removed
    attempts: tuple[SendAttempt, ...]  # oldest first
    feedback: tuple[Feedback, ...]  # in order of arrival

    def document(self, *, base_url: str) -> dict[str, Any]:
        """The JSON document of the API."""
        return outbound_document(
            self.message, self.raw, attempts=self.attempts, feedback=self.feedback, base_url=base_url
        )


async def read_outbound_for_user(user_id: str, message_id: str, *, store: Store, now: datetime) -> OutboundView:
    """A message of one of this user's agents. Raises MessageNotFound."""
    return await store.read(lambda tx: _view(tx, get_outbound_message_for_user(tx, user_id, message_id, now=now)))


async def read_outbound_of_agent(agent: str, message_id: str, *, store: Store, now: datetime) -> OutboundView:
    """A message of this agent. Raises MessageNotFound."""
    return await store.read(lambda tx: _view(tx, get_outbound_message_of_agent(tx, agent, message_id, now=now)))


def find_outbound_view(tx: Tx, message_id: str) -> OutboundView:
    """A message of any agent, for the operator. Raises MessageNotFound."""
    return _view(tx, get_outbound_message(tx, message_id))


def _view(tx: Tx, message: OutboundMessage) -> OutboundView:
    short = message.raw_sha256 is not None and message.raw_size <= RAW_INLINE_BYTES
    return OutboundView(
        message=message,
        raw=read_body(tx, message.raw_sha256) if short and message.raw_sha256 else None,
        attempts=tuple(list_send_attempts(tx, message.id)),
        feedback=tuple(list_feedback(tx, message.id)),
    )
