"""Telling an agent's webhook what became of a mail, where it wants to know."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from store.ids import new_delivery_id, new_event_id
from store.schema import agents, deliveries
from store.transaction import Tx
from store.wake import DELIVERIES


def tell(
    tx: Tx, agent: str, event_type: str, message_id: str, *, now: datetime, details: dict[str, Any] | None = None
) -> None:
    """Promise an event to the agent's webhook, if it has one and chose that type."""
    found = tx.execute(select(agents.c.mode, agents.c.events).where(agents.c.address == agent)).first()
    if found is None or found.mode != "webhook" or event_type not in found.events:
        return
    row: dict[str, Any] = {"id": new_delivery_id(), "event_id": new_event_id(), "event_type": event_type}
    row |= {"agent": agent, "message_id": message_id, "status": "pending", "due_at": now, "created_at": now}
    tx.execute(insert(deliveries), row | {"details": details})
    tx.wake(DELIVERIES + agent)
