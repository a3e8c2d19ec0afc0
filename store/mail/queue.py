"""Poll queue: a leased message is hidden from other workers until the lease ends.

A receipt is the message's id and the token of that lease. It works only while the lease is live; later it has no
effect.
"""

import secrets
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import and_, bindparam, false, func, or_, select, update

from store.database.constant import Constant, any_of
from store.errors import LeaseLost
from store.expiry import unexpired, unexpired_named, unexpired_values
from store.mail.messages import message_of
from store.records.mail import Lease, Message
from store.schema.inbound import QUEUED, messages
from store.transaction import Tx
from store.wake import INBOX

MAX_LEASE_BYTES: Final = 4_194_304  # of one lease: its answer is about half as large again
_SCAN_LIMIT: Final = 200
_RETURNED: Final = [messages.c[field.name] for field in fields(Message)]
_FREE: Final = Constant(
    select(messages.c.id, messages.c.raw_size)
    .where(unexpired_named(), QUEUED, messages.c.visible_at <= bindparam("now"))
    .order_by(messages.c.seq)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_TAKE: Final = Constant(
    {
        name: update(messages)
        .where(named)
        .values(leases=messages.c.leases + 1, lease_token=bindparam("token"), visible_at=bindparam("until"))
        .returning(*_RETURNED, messages.c.leases)
        for name, named in any_of(messages.c.id, "taken").items()
    }
)
_LEASED: Final = update(messages).where(
    messages.c.id == bindparam("message"),
    messages.c.agent == bindparam("of_agent"),
    messages.c.lease_token == bindparam("token"),
)
_HELD: Final = and_(QUEUED, messages.c.visible_at > bindparam("now"))
_ACK: Final = Constant(_LEASED.where(or_(_HELD, messages.c.queued.is_(false()))).values(queued=False, status="read"))
_NACK: Final = Constant(_LEASED.where(_HELD).values(lease_token=None, visible_at=bindparam("until")))
_EXTEND: Final = Constant(_LEASED.where(_HELD).values(visible_at=bindparam("until")))


def lease_messages(
    tx: Tx, agent: str, *, limit: int, lease: timedelta, now: datetime, max_bytes: int = MAX_LEASE_BYTES
) -> list[Lease]:
    """Lease up to *limit* visible messages with *max_bytes* together, or one larger one, oldest first, for *lease*.

    Messages locked by a concurrent call are skipped.
    """
    until, token = now + lease, secrets.token_hex(8)
    ids = _first_few(tx.fetch(_FREE, unexpired_values(agent, now=now) | {"most": limit}), max_bytes)
    if not ids:
        return []
    rows = sorted(tx.fetch(_TAKE, {"taken": ids, "token": token, "until": until}), key=lambda row: row.seq)
    return [
        Lease(receipt=f"{row.id}.{token}", attempt=row.leases, expires_at=until, message=message_of(row))
        for row in rows
    ]


def next_visible_at(tx: Tx, agent: str, *, now: datetime) -> datetime | None:
    """When the next leased or delayed message becomes visible; None without any.

    Only the oldest _SCAN_LIMIT messages are examined: a waiting reader queries again before long anyway.
    """
    taken = select(messages.c.visible_at).where(unexpired(agent, now=now), QUEUED)
    oldest = taken.order_by(messages.c.seq).limit(_SCAN_LIMIT).subquery()
    return tx.execute(select(func.min(oldest.c.visible_at))).scalar()  # type: ignore[no-any-return]


def ack(tx: Tx, agent: str, receipt: str, *, now: datetime) -> None:
    """Acknowledge a message: it leaves the queue and is read. Idempotent.

    Raises LeaseLost: the lease has ended.
    """
    _settle(tx, _ACK, agent, receipt, now=now)


def nack(tx: Tx, agent: str, receipt: str, *, delay: timedelta, now: datetime) -> None:
    """Return a message to the queue, visible after *delay*. Raises LeaseLost."""
    _settle(tx, _NACK, agent, receipt, now=now, until=now + delay)
    tx.wake(INBOX + agent)


def extend(tx: Tx, agent: str, receipt: str, *, lease: timedelta, now: datetime) -> None:
    """Extend the lease to *lease* from now. Raises LeaseLost."""
    _settle(tx, _EXTEND, agent, receipt, now=now, until=now + lease)


def _first_few(free: Sequence[Any], max_bytes: int) -> list[str]:
    """The ids of the first of *free* that have *max_bytes* together, and at least one."""
    totals = accumulate(row.raw_size for row in free)
    return [row.id for row, total in zip(free, totals, strict=True) if total <= max_bytes or row is free[0]]


def _settle(tx: Tx, statement: Constant, agent: str, receipt: str, **times: datetime) -> None:
    message_id, _, token = receipt.partition(".")
    if tx.change(statement, {"message": message_id, "of_agent": agent, "token": token, **times}) == 0:
        raise LeaseLost
