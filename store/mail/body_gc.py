"""Garbage collection of raw bytes, safe against concurrent arrival of the content.

A transaction that stores a message touches its content first (store/mail/bodies.py). A transaction that removes a
content locks its row first and looks for messages in the next statement, which on PostgreSQL sees all that was
committed before that statement began. So when both want the same row

* if the arriving mail has the lock first, the collector waits, and then sees the message;
* if the collector has the lock first, the mail waits, finds no row, and inserts a new one.

Chunks are written before their content's row and removed after it, one by one, so that an arriving mail may find
some of them still there. It touches those, and only chunks that are no newer than the removed content are
deleted. If the clocks of two machines differ so much that this fails, a mail is refused for now and not
damaged: keep_body locks all chunks of the content before it inserts the content's row, and misses the one that is
gone; a collector that comes later waits for it, and then sees the row that they belong to.

On SQLite writers run one after the other, and each of these steps is one write transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, func, literal, select

from store.mail.bodies import CHUNK_BYTES
from store.schema.inbound import bodies, body_chunks, messages
from store.transaction import Tx

MAX_BYTES: Final = 8 * CHUNK_BYTES  # deleted per call, unless a single content has more
MAX_CHUNKS: Final = MAX_BYTES // CHUNK_BYTES
_AT_ONCE: Final = 500  # contents per statement
_WALKED: Final = 100  # chunked contents examined per call

_NAMED: Final = bodies.c.sha256.in_(bindparam("contents", expanding=True))
_USED: Final = select(messages.c.raw_sha256).where(messages.c.raw_sha256 == bodies.c.sha256).exists()
_LOCK: Final = select(bodies.c.sha256).where(_NAMED).order_by(bodies.c.sha256).with_for_update()
# By length: for RETURNING content IS NULL, SQLite 3.40 uses the NOT NULL of the preceding column.
_IS_LONG: Final = func.length(bodies.c.content).is_(None).label("is_long")
_FORGET: Final = (
    delete(bodies).where(_NAMED, ~_USED).returning(bodies.c.sha256, bodies.c.size, bodies.c.created_at, _IS_LONG)
)
_LOWEST: Final = (
    select(body_chunks.c.number, body_chunks.c.created_at)
    .where(body_chunks.c.sha256 == bindparam("content"))
    .order_by(body_chunks.c.number)
    .limit(bindparam("most"))
    .with_for_update()
    .subquery()
)
_OLD_CHUNKS: Final = select(_LOWEST.c.number).where(_LOWEST.c.created_at <= bindparam("until"))
_REAL: Final = select(bodies.c.sha256).where(bodies.c.sha256 == bindparam("content"))
_FORGET_CHUNKS: Final = delete(body_chunks).where(
    body_chunks.c.sha256 == bindparam("content"), body_chunks.c.number.in_(bindparam("numbers", expanding=True))
)
_PAGE: Final = (
    select(bodies.c.sha256, _USED.label("used"))
    .where(bodies.c.sha256 > bindparam("after"))
    .order_by(bodies.c.sha256)
    .limit(bindparam("most"))
)
_SIZES: Final = select(bodies.c.sha256, bodies.c.size).where(_NAMED).order_by(bodies.c.sha256)
_OLD: Final = select(bodies.c.sha256).where(_NAMED, bodies.c.created_at <= bindparam("before"))


@dataclass(frozen=True, slots=True)
class ForgottenBody:
    """A content whose row was deleted."""

    sha256: str
    size: int  # bytes
    created_at: datetime  # when the content last arrived
    is_long: bool  # its chunks remain: delete them with forget_chunks(until=created_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPosition:
    """Progress of a walk over all contents."""

    scanned: int  # examined in this step, at most its limit
    removed: int  # deleted rows
    after: str | None  # start of the next step; None at the end


def forget_bodies(tx: Tx, contents: Sequence[str]) -> list[ForgottenBody]:
    """Delete those of *contents* (hex SHA-256) that no message refers to.

    Returns the deleted ones. The messages that referred to them must be deleted in this transaction or before it.
    """
    wanted = sorted(set(contents))
    gone: list[ForgottenBody] = []
    for start in range(0, len(wanted), _AT_ONCE):
        named = {"contents": wanted[start : start + _AT_ONCE]}
        tx.execute(_LOCK, named)
        gone += [ForgottenBody(**row._mapping) for row in tx.execute(_FORGET, named)]
    return gone


def forget_chunks(tx: Tx, sha256: str, *, until: datetime, limit: int) -> int:
    """Delete up to min(*limit*, MAX_CHUNKS) chunks of a content that has no row.

    Only chunks created at or before *until*. Only the lowest-numbered chunks are examined: a mail that is arriving
    touches them first. Returns the count.
    """
    named = {"content": sha256}
    look = {**named, "until": until, "most": min(limit, MAX_CHUNKS)}
    numbers = tx.execute(_OLD_CHUNKS, look).scalars().all()
    if not numbers or tx.execute(_REAL, named).first() is not None:
        return 0
    tx.execute(_FORGET_CHUNKS, {**named, "numbers": numbers})
    return len(numbers)


def collect_bodies(tx: Tx, *, after: str, limit: int, before: datetime) -> WalkPosition:
    """Delete unreferenced contents among the next *limit* ones behind *after*.

    Only contents created at or before *before*. Start with *after* "". The chunks of long contents are left to
    collect_chunks. At most MAX_BYTES, or one content, are deleted per call.
    """
    page = tx.execute(_PAGE, {"after": after, "most": limit}).all()
    there = _sizes(tx, [row.sha256 for row in page if not row.used])
    bounded = [sha256 for sha256, total in there if total <= MAX_BYTES or sha256 == there[0][0]]
    # SQLite reads the bytes to reach the time column behind them, so it is queried for few rows only.
    old = tx.execute(_OLD, {"contents": bounded, "before": before}).scalars().all() if bounded else []
    removed = len(forget_bodies(tx, old))
    if len(bounded) < len(there):
        return WalkPosition(scanned=len(bounded), removed=removed, after=bounded[-1])
    return WalkPosition(scanned=len(page), removed=removed, after=page[-1].sha256 if len(page) == limit else None)


def collect_chunks(tx: Tx, *, after: str, limit: int, before: datetime) -> WalkPosition:
    """Delete up to min(*limit*, MAX_CHUNKS) chunks without content, behind *after*.

    Only chunks created at or before *before*. Start with *after* "".
    """
    page = tx.execute(_CHUNKED, {"after": after}).all()
    limit = min(limit, MAX_CHUNKS)
    reached, removed = after, 0
    for row in page:
        if not row.real:
            removed += forget_chunks(tx, row.sha256, until=before, limit=limit - removed)
        if removed == limit:
            return WalkPosition(scanned=removed, removed=removed, after=reached)  # this content may have more chunks
        reached = row.sha256
    return WalkPosition(scanned=removed, removed=removed, after=reached if len(page) == _WALKED else None)


def _sizes(tx: Tx, contents: Sequence[str]) -> list[tuple[str, int]]:
    """Those of *contents* that exist, each with the cumulative size in bytes up to it."""
    rows = tx.execute(_SIZES, {"contents": contents}).all() if contents else []
    return list(zip([row.sha256 for row in rows], accumulate(row.size for row in rows), strict=True))


def _chunked() -> Any:
    """The next chunked contents in order, each with whether it has a row.

    A recursive walk from one content to the next along the index.
    """
    first = select(func.min(body_chunks.c.sha256).label("sha256"), literal(1).label("place"))
    walk = first.where(body_chunks.c.sha256 > bindparam("after")).cte("walk", recursive=True)
    following = select(func.min(body_chunks.c.sha256)).where(body_chunks.c.sha256 > walk.c.sha256).scalar_subquery()
    more = and_(walk.c.sha256.is_not(None), walk.c.place < _WALKED)
    walk = walk.union_all(select(following, walk.c.place + 1).where(more))
    real = select(bodies.c.sha256).where(bodies.c.sha256 == walk.c.sha256).exists()
    return select(walk.c.sha256, real.label("real")).where(walk.c.sha256.is_not(None)).order_by(walk.c.sha256)


_CHUNKED: Final = _chunked()
