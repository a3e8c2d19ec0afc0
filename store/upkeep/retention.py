"""What is kept for a time only, and goes when that is over: a bounded batch a call, oldest first.

Whatever goes by a time of its own is found by the index on it. What has none but grows with time
(attempts, usage events, deliveries, letters) is found by looking at the lowest rows and no others, so that a call with
nothing to do costs little. Several processes may clean at once: each takes rows that no other has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, tuple_

from store.directory.idempotency import LIFETIME as KEYS_LAST
from store.mail.body_gc import MAX_BYTES, ForgottenBody, forget_bodies
from store.schema.inbound import deliveries, delivery_attempts, idempotency_keys, messages, usage_events
from store.schema.outbound import notifications, outbound_attachments
from store.transaction import Tx

ATTEMPTS_LAST: Final = timedelta(days=30)
DELIVERIES_LAST: Final = timedelta(days=30)  # from when they were settled; those of a message go with it
LETTERS_LAST: Final = timedelta(days=30)  # from when they were settled
USAGE_LASTS: Final = timedelta(days=400)  # the events: the days' sums stay
_LOOKED_AT: Final = 1000  # of the lowest rows

_FILES: Final = (
    select(func.coalesce(func.sum(outbound_attachments.c.size), 0))
    .where(outbound_attachments.c.message_id == messages.c.id)
    .scalar_subquery()
)
# What goes with a message: its bytes, and the files of one that was never sent.
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
    or_(_WEIGHED.c.total <= MAX_BYTES, _WEIGHED.c.total == _WEIGHED.c.weight)  # the first goes, whatever it weighs
)
_EXPIRE: Final = delete(messages).where(messages.c.id.in_(_BOUNDED)).returning(messages.c.raw_sha256)

_OLD_KEYS: Final = (
    select(idempotency_keys.c.user_id, idempotency_keys.c.key)
    .where(idempotency_keys.c.created_at <= bindparam("before"))
    .order_by(idempotency_keys.c.created_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_FORGET_KEYS: Final = (
    delete(idempotency_keys)
    .where(tuple_(idempotency_keys.c.user_id, idempotency_keys.c.key).in_(select(_OLD_KEYS.c.user_id, _OLD_KEYS.c.key)))
    .returning(idempotency_keys.c.key)
)


def _lowest(key: Any, least: Any, condition: ColumnElement[bool]) -> Any:
    """Remove those of the lowest rows by *key*, from *least* on, that *condition* holds for.

    Only what is to go is locked: to lock what stays would write to it.
    """
    table = key.table
    low = select(key).where(key >= least).order_by(key).limit(_LOOKED_AT).cte("low")
    old = select(key).where(key.in_(select(low.c[key.name])), condition).order_by(key).limit(bindparam("most"))
    taken = old.with_for_update(skip_locked=True).cte("old")
    return delete(table).where(key.in_(select(taken.c[key.name]))).returning(key)


_FORGET_ATTEMPTS: Final = _lowest(delivery_attempts.c.number, 0, delivery_attempts.c.at <= bindparam("before"))
# Not IS NULL: there is an index for that, by which SQLite would go through all of them and not the lowest.
_NO_MESSAGE: Final = func.coalesce(deliveries.c.message_id, "") == ""
_FORGET_DELIVERIES: Final = _lowest(
    deliveries.c.id, "", and_(_NO_MESSAGE, deliveries.c.settled_at <= bindparam("before"))
)
_FORGET_LETTERS: Final = _lowest(notifications.c.id, "", notifications.c.settled_at <= bindparam("before"))
_FORGET_USAGE: Final = _lowest(usage_events.c.number, 0, usage_events.c.at <= bindparam("before"))


@dataclass(frozen=True, slots=True)
class ExpiredMessages:
    """What a batch removed."""

    count: int
    long_bodies: Sequence[ForgottenBody]  # their chunks are to be removed next, a few a transaction: forget_chunks


def delete_expired_messages(tx: Tx, *, now: datetime, limit: int) -> ExpiredMessages:
    """Remove up to *limit* messages whose time is over, with all that was theirs and the bytes nothing points to.

    Fewer than *limit*, and one at least, where they weigh more than MAX_BYTES. None when there are no more.
    """
    contents = tx.execute(_EXPIRE, {"now": now, "most": limit}).scalars().all()
    gone = forget_bodies(tx, [sha256 for sha256 in contents if sha256 is not None])
    return ExpiredMessages(len(contents), tuple(body for body in gone if body.is_long))


def delete_old_idempotency_keys(tx: Tx, *, now: datetime, limit: int) -> int:
    """Remove up to *limit* keys of 24 hours ago or earlier; answers how many went."""
    return _removed(tx, _FORGET_KEYS, before=now - KEYS_LAST, limit=limit)


def delete_old_attempts(tx: Tx, *, now: datetime, limit: int) -> int:
    """Remove up to *limit* attempts of 30 days ago or earlier; answers how many went."""
    return _removed(tx, _FORGET_ATTEMPTS, before=now - ATTEMPTS_LAST, limit=limit)


def delete_old_deliveries(tx: Tx, *, now: datetime, limit: int) -> int:
    """Remove up to *limit* deliveries without a message that were settled 30 days ago or earlier; answers how many."""
    return _removed(tx, _FORGET_DELIVERIES, before=now - DELIVERIES_LAST, limit=limit)


def delete_old_letters(tx: Tx, *, now: datetime, limit: int) -> int:
    """Remove up to *limit* letters to people that were settled 30 days ago or earlier; answers how many went."""
    return _removed(tx, _FORGET_LETTERS, before=now - LETTERS_LAST, limit=limit)


def delete_old_usage_events(tx: Tx, *, now: datetime, limit: int) -> int:
    """Remove up to *limit* usage events of 400 days ago or earlier; answers how many went."""
    return _removed(tx, _FORGET_USAGE, before=now - USAGE_LASTS, limit=limit)


def _removed(tx: Tx, statement: Any, *, before: datetime, limit: int) -> int:
    return len(tx.execute(statement, {"before": before, "most": limit}).all())
