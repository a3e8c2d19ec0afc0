"""Usage counters: one event per message, and daily sums per user and kind.

Both are written in the transaction that stores the message, so they never count one that was not stored, and
neither is deleted with the message. Days are UTC.
"""

from dataclasses import fields
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any, Final, get_args

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite

from store.cursors import parse_cursor
from store.database.constant import Constant
from store.errors import InvalidValue
from store.records.mail import Page
from store.records.people import DayUsage, UsageAmount, UsageEvent, UsageKind
from store.schema.inbound import usage_days, usage_events
from store.transaction import Tx

MAX_DAYS: Final = 366
MAX_PAGE: Final = 200
KINDS: Final = get_args(UsageKind)

_COLUMNS: Final = [usage_events.c[field.name] for field in fields(UsageEvent)]
_EVENT: Final = Constant(insert(usage_events))
_KEY_OF: Final = itemgetter("user_id", "day", "kind")


def _add_up(new: postgresql.Insert | sqlite.Insert) -> Any:
    sums = {"count": usage_days.c.count + new.excluded.count, "bytes": usage_days.c.bytes + new.excluded.bytes}
    return new.on_conflict_do_update(index_elements=list(usage_days.primary_key), set_=sums)


_ADD_UP: Final = Constant(
    {"sqlite": _add_up(sqlite.insert(usage_days)), "postgresql": _add_up(postgresql.insert(usage_days))}
)


def record_usage(
    tx: Tx, *, user_id: str, kind: UsageKind, agent: str, message_id: str, size: int, at: datetime
) -> None:
    """Count one message of *size* bytes for its user; deferred.

    Raises InvalidValue: another kind, or a negative size.
    """
    if kind not in KINDS or size < 0:
        raise InvalidValue(f"cannot count usage: {kind} of {size} bytes")
    event = {"user_id": user_id, "kind": kind, "agent": agent, "message_id": message_id, "bytes": size, "at": at}
    tx.defer(_EVENT, event)
    sums = _sums(tx, user_id, at.astimezone(UTC).date(), kind)
    sums["count"] += 1
    sums["bytes"] += size


def list_usage(tx: Tx, user_id: str, *, first: date, last: date) -> list[DayUsage]:
    """Daily sums from *first* to *last*, both included, oldest first; no empty days.

    Raises InvalidValue: more than 366 days, or none.
    """
    if not 0 <= (last - first).days < MAX_DAYS:
        raise InvalidValue(f"usage is listed for 1 to {MAX_DAYS} days, with first not after last")
    query = select(usage_days).where(usage_days.c.user_id == user_id, usage_days.c.day.between(first, last))
    days: dict[date, dict[UsageKind, UsageAmount]] = {}
    for row in tx.execute(query.order_by(usage_days.c.day, usage_days.c.kind)).mappings():
        days.setdefault(row["day"], {})[row["kind"]] = UsageAmount(row["count"], row["bytes"])
    return [DayUsage(day, kinds) for day, kinds in days.items()]


def list_usage_events(tx: Tx, user_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[UsageEvent]:
    """A page of a user's usage events, newest first, behind *cursor*.

    Raises InvalidValue: malformed cursor.
    """
    count = max(1, min(limit, MAX_PAGE))
    query = select(*_COLUMNS).where(usage_events.c.user_id == user_id)
    if cursor is not None:
        query = query.where(usage_events.c.number < parse_cursor(cursor))
    rows = tx.execute(query.order_by(usage_events.c.number.desc()).limit(count + 1)).all()
    items = [UsageEvent(**row._mapping) for row in rows[:count]]
    return Page(items, str(items[-1].number) if len(rows) > count else None)


def _sums(tx: Tx, user_id: str, day: date, kind: UsageKind) -> dict[str, Any]:
    """The deferred upsert row of one user, day and kind in this transaction.

    One row per key: an upsert statement accepts each key once.
    """
    key = ("usage", user_id, day, kind)
    sums: dict[str, Any] | None = tx.notes.get(key)
    if sums is None:
        sums = tx.notes[key] = {"user_id": user_id, "day": day, "kind": kind, "count": 0, "bytes": 0}
        tx.defer(_ADD_UP, sums, order=_KEY_OF)
    return sums
