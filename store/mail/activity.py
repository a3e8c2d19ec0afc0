"""Inbound and outbound messages of an agent in one list, with their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import select

from store.cursors import parse_cursor
from store.expiry import unexpired
from store.mail.messages import MAX_PAGE
from store.records.mail import DeliveryStatus, Page
from store.schema.inbound import deliveries, messages
from store.schema.outbound import outbound
from store.transaction import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySummary:
    """The state of the delivery of one event about a message."""

    delivery_id: str
    event_type: str
    status: DeliveryStatus
    attempts: int
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One message of either direction, as a list shows it."""

    id: str
    agent: str
    seq: int
    direction: Literal["inbound", "outbound"]
    status: str  # a MessageStatus or an OutboundStatus
    conversation_id: str | None
    from_name: str
    from_address: str
    to: tuple[str, ...]  # outbound: all recipients; inbound: the envelope's recipient
    subject: str
    verified: bool
    verified_domain: str | None
    automated: bool
    raw_size: int
    at: datetime  # time of receipt, or of creation if outbound
    deliveries: tuple[DeliverySummary, ...]  # oldest first


_NOT_HERE: Final = {"to", "at", "deliveries"}
_COLUMNS: Final = [messages.c[field.name] for field in fields(Activity) if field.name not in _NOT_HERE]
_STATE: Final = [
    deliveries.c.id.label("delivery_id"),
    *[deliveries.c[field.name] for field in fields(DeliverySummary) if field.name != "delivery_id"],
]


def list_activity_by_agent(
    tx: Tx, agent: str, *, limit: int, cursor: str | None, now: datetime, conversation_id: str | None = None
) -> Page[Activity]:
    """A page of messages of both directions, newest first, behind *cursor*.

    With *conversation_id*, of that conversation only. Raises InvalidValue: malformed cursor.
    """
    query = (
        select(*_COLUMNS, messages.c.recipient, messages.c.received_at, outbound.c.to, outbound.c.cc, outbound.c.bcc)
        .outerjoin_from(messages, outbound)
        .where(unexpired(agent, now=now))
        .order_by(messages.c.seq.desc())
    )
    if cursor is not None:
        query = query.where(messages.c.seq < parse_cursor(cursor))
    if conversation_id is not None:
        query = query.where(messages.c.conversation_id == conversation_id)
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).all()
    states = _states(tx, [row.id for row in rows[:count]])
    items = [_activity(row, states.get(row.id, ())) for row in rows[:count]]
    return Page(items, str(items[-1].seq) if len(rows) > count else None)


def _states(tx: Tx, message_ids: Sequence[str]) -> dict[str, tuple[DeliverySummary, ...]]:
    """The deliveries of some messages, by message id."""
    query = select(deliveries.c.message_id, *_STATE).where(deliveries.c.message_id.in_(message_ids))
    found: dict[str, tuple[DeliverySummary, ...]] = {}
    for row in tx.execute(query.order_by(deliveries.c.id)):
        values = dict(row._mapping)
        message_id = values.pop("message_id")
        found[message_id] = (*found.get(message_id, ()), DeliverySummary(**values))
    return found


def _activity(row: Any, states: tuple[DeliverySummary, ...]) -> Activity:
    values = {column.name: row._mapping[column.name] for column in _COLUMNS}
    recipients = (*row.to, *row.cc, *row.bcc) if row.to is not None else (row.recipient,)
    return Activity(**values, to=recipients, at=row.received_at, deliveries=states)
