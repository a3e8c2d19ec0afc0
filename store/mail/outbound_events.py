"""Enqueue webhook events about an agent's outbound messages."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select

from store.mail.deliveries import enqueue
from store.schema.inbound import agents
from store.transaction import Tx

_CHOICE: Final = select(agents.c.mode, agents.c.events).where(agents.c.address == bindparam("address"))


def enqueue_outbound_event(
    tx: Tx, agent: str, event_type: str, message_id: str, *, now: datetime, details: dict[str, Any] | None = None
) -> None:
    """Enqueue the event for the agent's webhook, in the transaction of the change.

    Does nothing when the agent polls or has not chosen *event_type*. *details* become part of the event.
    """
    row = tx.execute(_CHOICE, {"address": agent}).first()
    if row is not None and row.mode == "webhook" and event_type in row.events:
        enqueue(tx, agent=agent, event_type=event_type, message_id=message_id, now=now, details=details)
