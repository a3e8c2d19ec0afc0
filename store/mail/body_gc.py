"""Removing raw bytes that no message points to, safe against the same content arriving meanwhile.

Whoever keeps a message touches its content first, in the same transaction (store/mail/bodies.py); whoever
removes one locks it first and looks for messages in the next statement, which on PostgreSQL sees all that
was committed before it began. So of the two that want a row at once

* when the mail has it first, the collector waits, and then sees the message;
* when the collector has it first, the mail waits, finds no row, and inserts it anew.

Chunks are written ahead of their content's row and removed behind it, one by one, so that a mail may find
some still there. It touches those, and only chunks that came no later than the content did that was removed
are taken. Where two machines' clocks disagree so much that this fails, a mail is refused for now and
not damaged: keep_body holds all chunks of the content before it makes them real and misses the one that
is gone; a collector that comes later waits for it, and then sees the row that they belong to.

On SQLite writers come one after the other, and each of these steps is one writer's.
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

MAX_BYTES: Final = 8 * CHUNK_BYTES  # that one call removes, unless a single row has more
MAX_CHUNKS: Final = MAX_BYTES // CHUNK_BYTES
_AT_ONCE: Final = 500  # contents in one statement
_WALKED: Final = 100  # long contents that one call looks at

_NAMED: Final = bodies.c.sha256.in_(bindparam("contents", expanding=True))
_USED: Final = select(messages.c.raw_sha256).where(messages.c.raw_sha256 == bodies.c.sha256).exists()
_LOCK: Final = select(bodies.c.sha256).where(_NAMED).order_by(bodies.c.sha256).with_for_update()
# By its length: for RETURNING content IS NULL, SQLite 3.40 looks at the NOT NULL of the column before it.
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
    """A content that is not real any more."""

    sha256: str
    size: int  # bytes
    created_at: datetime  # when it came last
    is_long: bool  # its chunks are still there: forget_chunks, until created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPosition:
    """How far a walk over everything has come."""

    scanned: int  # what the step's limit bounds
    removed: int  # rows
    after: str | None  # where the next step goes on; None at the end


def forget_bodies(tx: Tx, contents: Sequence[str]) -> list[ForgottenBody]:
    """Remove those of *contents* (hex SHA-256) that no message points to; answers which.

    The messages that did must be gone in this transaction or before it.
    """
    wanted = sorted(set(contents))
    gone: list[ForgottenBody] = []
    for start in range(0, len(wanted), _AT_ONCE):
        named = {"contents": wanted[start : start + _AT_ONCE]}
        tx.execute(_LOCK, named)
        gone += [ForgottenBody(**row._mapping) for row in tx.execute(_FORGET, named)]
    return gone


def forget_chunks(tx: Tx, sha256: str, *, until: datetime, limit: int) -> int:
    """Remove up to *limit*, or MAX_CHUNKS, chunks that came by *until*, of a content that is not real; how many went.

    The lowest ones are looked at and no others: a mail that is arriving touches them first.
    """
    named = {"content": sha256}
    look = {**named, "until": until, "most": min(limit, MAX_CHUNKS)}
    numbers = tx.execute(_OLD_CHUNKS, look).scalars().all()
    if not numbers or tx.execute(_REAL, named).first() is not None:
        return 0
    tx.execute(_FORGET_CHUNKS, {**named, "numbers": numbers})
    return len(numbers)


def collect_bodies(tx: Tx, *, after: str, limit: int, before: datetime) -> WalkPosition:
    """Remove what no message points to and came by *before*, of the next *limit* contents behind *after*.

    A walk begins with "". The chunks of long ones are left to collect_chunks. At most MAX_BYTES, or
    one content, are removed at once.
    """
    page = tx.execute(_PAGE, {"after": after, "most": limit}).all()
    there = _sizes(tx, [row.sha256 for row in page if not row.used])
    bounded = [sha256 for sha256, total in there if total <= MAX_BYTES or sha256 == there[0][0]]
    # The time lies behind the bytes, which SQLite reads through to it: it is asked of few.
    old = tx.execute(_OLD, {"contents": bounded, "before": before}).scalars().all() if bounded else []
    removed = len(forget_bodies(tx, old))
    if len(bounded) < len(there):
        return WalkPosition(scanned=len(bounded), removed=removed, after=bounded[-1])
    return WalkPosition(scanned=len(page), removed=removed, after=page[-1].sha256 if len(page) == limit else None)


def collect_chunks(tx: Tx, *, after: str, limit: int, before: datetime) -> WalkPosition:
    """Remove up to *limit*, or MAX_CHUNKS, chunks that came by *before* and belong to no content, from behind *after*.

    A walk begins with "".
    """
    page = tx.execute(_CHUNKED, {"after": after}).all()
    limit = min(limit, MAX_CHUNKS)
    reached, removed = after, 0
    for row in page:
        if not row.real:
            removed += forget_chunks(tx, row.sha256, until=before, limit=limit - removed)
        if removed == limit:
            return WalkPosition(scanned=removed, removed=removed, after=reached)  # there may be more of this one
        reached = row.sha256
    return WalkPosition(scanned=removed, removed=removed, after=reached if len(page) == _WALKED else None)


def _sizes(tx: Tx, contents: Sequence[str]) -> list[tuple[str, int]]:
    """Those of *contents* that are still there, each with the bytes of all up to it."""
    rows = tx.execute(_SIZES, {"contents": contents}).all() if contents else []
    return list(zip([row.sha256 for row in rows], accumulate(row.size for row in rows), strict=True))


def _chunked() -> Any:
    """The long contents behind one, in order, and whether each is real: from one to the next along the index."""
    first = select(func.min(body_chunks.c.sha256).label("sha256"), literal(1).label("place"))
    walk = first.where(body_chunks.c.sha256 > bindparam("after")).cte("walk", recursive=True)
    following = select(func.min(body_chunks.c.sha256)).where(body_chunks.c.sha256 > walk.c.sha256).scalar_subquery()
    more = and_(walk.c.sha256.is_not(None), walk.c.place < _WALKED)
    walk = walk.union_all(select(following, walk.c.place + 1).where(more))
    real = select(bodies.c.sha256).where(bodies.c.sha256 == walk.c.sha256).exists()
    return select(walk.c.sha256, real.label("real")).where(walk.c.sha256.is_not(None)).order_by(walk.c.sha256)


_CHUNKED: Final = _chunked()
