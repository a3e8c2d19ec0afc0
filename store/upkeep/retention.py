"""Delete expired data, one bounded batch per call, oldest first.

Rows with an expiry time are found by its index. Tables without one whose keys grow with time (attempts, usage events,
deliveries, letters) are scanned from the lowest key, a bounded number of rows, so that a call that deletes no row is
cheap. Several processes may run this at once: each skips rows locked by another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select

from store.directory.idempotency import LIFETIME as KEYS_LAST
from store.mail.body_gc import MAX_BYTES, ForgottenBody, forget_bodies
from store.oldest import among_oldest
from store.schema.inbound import deliveries, delivery_attempts, idempotency_keys, messages, usage_events
from store.schema.outbound import notifications, outbound_attachments
from store.transaction import Tx

ATTEMPTS_LAST: Final = timedelta(days=30)
DELIVERIES_LAST: Final = timedelta(days=30)  # after settling; deliveries of a message are deleted with it
LETTERS_LAST: Final = timedelta(days=30)  # after settling
USAGE_LASTS: Final = timedelta(days=400)  # for events; daily sums are kept
_SCAN_LIMIT: Final = 1000  # lowest rows scanned per call

_FILES: Final = (
    select(func.coalesce(func.sum(outbound_attachments.c.size), 0))
    .where(outbound_attachments.c.message_id == messages.c.id)
    .scalar_subquery()
)
# Bytes deleted with a message: its raw bytes, and the attachments of one that was never sent.
_WEIGHT: Final = messages.c.raw_size + case((messages.c.direction == "outbound", _FILES), else_=0)
_EXPIRED: Final = (
    select(messages.c.id, messages.c.expires_at, _WEIGHT.label("weight"))
    .where(messages.c.expires_at <= bindparam("now"))
    .order_by(messages.c.expires_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("expired")
)
_UP_TO: Final = func.sum(_EXPIRED.c.weight).over(order_by=[_EXPIRED.c.expires_at, _EXPIRED.c.id])
_WEIGHED: Final = select(_EXPIRED.c.id, _EXPIRED.c.weight, _UP_TO.label("total")).cte("weighed")
_BOUNDED: Final = select(_WEIGHED.c.id).where(
    or_(
        _WEIGHED.c.total <= MAX_BYTES, _WEIGHED.c.total == _WEIGHED.c.weight
    )  # the first is deleted regardless of its size
)
_EXPIRE: Final = delete(messages).where(messages.c.id.in_(_BOUNDED)).returning(messages.c.raw_sha256)

_FORGET_KEYS: Final = (
    delete(idempotency_keys)
    .where(among_oldest([idempotency_keys.c.user_id, idempotency_keys.c.key], idempotency_keys.c.created_at, "before"))
    .returning(idempotency_keys.c.key)
)


def _lowest(key: Any, least: Any, condition: ColumnElement[bool]) -> Any:
    """A DELETE of the lowest rows by *key*, from *least* on, that meet *condition*.

    Only rows to be deleted are locked: locking a row that stays would write to it.
    """
    table = key.table
    low = select(key).where(key >= least).order_by(key).limit(_SCAN_LIMIT).cte("low")
    old = select(key).where(key.in_(select(low.c[key.name])), condition).order_by(key).limit(bindparam("most"))
    taken = old.with_for_update(skip_locked=True).cte("old")
    return delete(table).where(key.in_(select(taken.c[key.name]))).returning(key)


_FORGET_ATTEMPTS: Final = _lowest(delivery_attempts.c.number, 0, delivery_attempts.c.at <= bindparam("before"))
# Not IS NULL: SQLite would use the index for that and scan all such rows, not only the lowest.
_NO_MESSAGE: Final = func.coalesce(deliveries.c.message_id, "") == ""
_FORGET_DELIVERIES: Final = _lowest(
    deliveries.c.id, "", and_(_NO_MESSAGE, deliveries.c.settled_at <= bindparam("before"))
)
_FORGET_LETTERS: Final = _lowest(notifications.c.id, "", notifications.c.settled_at <= bindparam("before"))
_FORGET_USAGE: Final = _lowest(usage_events.c.number, 0, usage_events.c.at <= bindparam("before"))


@dataclass(frozen=True, slots=True)
class ExpiredMessages:
    """The result of one batch."""

    count: int
    long_bodies: Sequence[ForgottenBody]  # their chunks must be deleted next, a few per transaction, by forget_chunks


def delete_expired_messages(tx: Tx, *, now: datetime, limit: int) -> ExpiredMessages:
    """Delete up to *limit* expired messages, dependent rows and unreferenced bytes.

    Fewer, but at least one, if they exceed MAX_BYTES in total. A count of 0 means that none is left.
    """
    contents = tx.execute(_EXPIRE, {"now": now, "most": limit}).scalars().all()
    gone = forget_bodies(tx, [sha256 for sha256 in contents if sha256 is not None])
    return ExpiredMessages(len(contents), tuple(body for body in gone if body.is_long))


def delete_old_idempotency_keys(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* keys older than 24 hours; returns the count."""
    return _removed(tx, _FORGET_KEYS, before=now - KEYS_LAST, limit=limit)


def delete_old_attempts(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* delivery attempts older than 30 days; returns the count."""
    return _removed(tx, _FORGET_ATTEMPTS, before=now - ATTEMPTS_LAST, limit=limit)


def delete_old_deliveries(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* deliveries without a message, settled over 30 days ago.

    Returns the count.
    """
    return _removed(tx, _FORGET_DELIVERIES, before=now - DELIVERIES_LAST, limit=limit)


def delete_old_letters(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* letters settled over 30 days ago; returns the count."""
    return _removed(tx, _FORGET_LETTERS, before=now - LETTERS_LAST, limit=limit)


def delete_old_usage_events(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* usage events older than 400 days; returns the count."""
    return _removed(tx, _FORGET_USAGE, before=now - USAGE_LASTS, limit=limit)


def _removed(tx: Tx, statement: Any, *, before: datetime, limit: int) -> int:
    return len(tx.execute(statement, {"before": before, "most": limit}).all())
