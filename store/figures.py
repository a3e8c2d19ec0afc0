"""Figures of the whole store for the operator's metrics: what is due, dead, waiting, held or queued.

Each query reads at most SCAN_LIMIT rows of a partial index, so that it costs little however large the store is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.sql.elements import TextClause

from store.directory.sending_pause import read_pause
from store.facts import LAST_BACKUP, read_fact
from store.schema.inbound import DEAD, HELD, PENDING, QUEUED, SENDING, TO_SEND, WRITTEN, deliveries, messages
from store.transaction import Tx

SCAN_LIMIT: Final = 10_000
_WRITTEN_SCAN: Final = 2000  # of the newest outbound messages, to find unconfirmed ones: no index holds these alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of the store at one moment."""

    deliveries_due: int
    oldest_due_at: datetime | None  # of the deliveries that are due
    deliveries_dead: int
    queue_visible: int  # messages that poll agents can lease
    sends: Mapping[str, int]  # outbound messages by state, without the states that are final
    holds_waiting: int
    oldest_hold_at: datetime | None  # when the oldest of them was submitted
    is_paused: bool
    last_backup_at: datetime | None


def read_figures(tx: Tx, *, now: datetime) -> Figures:
    """The figures of the store, with each count bounded by SCAN_LIMIT."""
    due, oldest_due = _due(tx, now)
    held, oldest_hold = _count(tx, HELD, messages.c.received_at, messages.c.hold_expires_at)
    backup = read_fact(tx, LAST_BACKUP)
    return Figures(
        deliveries_due=due,
        oldest_due_at=oldest_due,
        deliveries_dead=_count(tx, DEAD, deliveries.c.created_at, deliveries.c.id)[0],
        queue_visible=_visible(tx, now),
        sends={
            "queued": _count(tx, TO_SEND, messages.c.received_at, messages.c.visible_at)[0],
            "pending_approval": held,
            "sending": _count(tx, SENDING, messages.c.received_at, messages.c.send_until)[0],
            "unconfirmed": _unconfirmed(tx),
        },
        holds_waiting=held,
        oldest_hold_at=oldest_hold,
        is_paused=read_pause(tx) is not None,
        last_backup_at=backup.at if backup else None,
    )


def _due(tx: Tx, now: datetime) -> tuple[int, datetime | None]:
    oldest = select(deliveries.c.due_at).where(PENDING).order_by(deliveries.c.id).limit(SCAN_LIMIT).subquery()
    row = tx.execute(select(func.count(), func.min(oldest.c.due_at)).where(oldest.c.due_at <= now)).one()
    return row[0], row[1]


def _visible(tx: Tx, now: datetime) -> int:
    queue = select(messages.c.visible_at, messages.c.expires_at).where(QUEUED).limit(SCAN_LIMIT).subquery()
    query = select(func.count()).where(queue.c.visible_at <= now, queue.c.expires_at > now)
    return int(tx.execute(query.select_from(queue)).scalar_one())


def _unconfirmed(tx: Tx) -> int:
    newest = select(messages.c.status).where(WRITTEN).order_by(messages.c.id.desc()).limit(_WRITTEN_SCAN).subquery()
    query = select(func.count()).select_from(newest).where(newest.c.status == "unconfirmed")
    return int(tx.execute(query).scalar_one())


def _count(
    tx: Tx, which: TextClause, at: ColumnElement[datetime], order: ColumnElement[Any]
) -> tuple[int, datetime | None]:
    """Number of rows *which*, in the order of their index, and the smallest *at* of them."""
    rows = select(at.label("at")).where(which).order_by(order).limit(SCAN_LIMIT).subquery()
    row = tx.execute(select(func.count(), func.min(rows.c.at))).one()
    return row[0], row[1]
