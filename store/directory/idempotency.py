"""Requests that come twice: the first one does the work, the others get its answer, for 24 hours.

Whoever asks is told by one statement, so that of many at once exactly one is new. Where the work is
one transaction, begin, work and answer in it: a process that dies leaves nothing under way then.
"""

import re
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, delete, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import IdempotencyMismatch, InvalidValue
from store.records.people import BegunRequest
from store.schema.inbound import idempotency_keys
from store.transaction import Tx

LIFETIME: Final = timedelta(hours=24)
MAX_KEY: Final = 255
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _begin(insert: postgresql.Insert | sqlite.Insert) -> Any:
    """Take the key where it is free, or was taken so long ago that it is free again."""
    fresh = {"request_hash": insert.excluded.request_hash, "created_at": insert.excluded.created_at}
    return insert.on_conflict_do_update(
        index_elements=[idempotency_keys.c.user_id, idempotency_keys.c.key],
        set_={**fresh, "status": null(), "answer": null()},
        where=idempotency_keys.c.created_at <= bindparam("long_ago"),
    ).returning(idempotency_keys.c.key)


_BEGIN: Final = {
    "sqlite": _begin(sqlite.insert(idempotency_keys)),
    "postgresql": _begin(postgresql.insert(idempotency_keys)),
}
_KEPT: Final = select(idempotency_keys.c.request_hash, idempotency_keys.c.status, idempotency_keys.c.answer).where(
    idempotency_keys.c.user_id == bindparam("user_id"), idempotency_keys.c.key == bindparam("key")
)


def begin_request(tx: Tx, user_id: str, key: str, request_hash: str, *, now: datetime) -> BegunRequest:
    """Whether this request (hex SHA-256 of what it asks for) is new, under way elsewhere, or answered already.

    Raises IdempotencyMismatch when the key was used for another request, InvalidValue for what is no key.
    """
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidValue(f"an idempotency key has 1 to {MAX_KEY} printable characters")
    if not _HASH.fullmatch(request_hash):
        raise InvalidValue("a request is known by its hex SHA-256")
    named = {"user_id": user_id, "key": key}
    taken = {**named, "request_hash": request_hash, "created_at": now, "long_ago": now - LIFETIME}
    if tx.execute(_BEGIN[tx.connection.dialect.name], taken).first() is not None:
        return BegunRequest("new")
    # Still there: the insert that was refused has locked it.
    kept = tx.execute(_KEPT, named).one()
    if kept.request_hash != request_hash:
        raise IdempotencyMismatch
    return BegunRequest("under way") if kept.status is None else BegunRequest("answered", kept.status, kept.answer)


def keep_answer(tx: Tx, user_id: str, key: str, *, status: int, answer: str | None) -> None:
    """Answer a request that is under way, and whoever asks again, with *status* (200 to 599) and *answer*.

    Where nothing is under way, nothing is changed. Raises InvalidValue for another status.
    """
    tx.execute(update(idempotency_keys).where(_under_way(user_id, key)).values(status=status, answer=answer))


def forget_request(tx: Tx, user_id: str, key: str, *, begun_before: datetime | None = None) -> None:
    """The work failed: the key is free again. An answer that was kept stays.

    With *begun_before*, only a request so old that whoever began it cannot be at it any more.
    """
    stale = () if begun_before is None else (idempotency_keys.c.created_at < begun_before,)
    tx.execute(delete(idempotency_keys).where(_under_way(user_id, key), *stale))


def _under_way(user_id: str, key: str) -> ColumnElement[bool]:
    mine = and_(idempotency_keys.c.user_id == user_id, idempotency_keys.c.key == key)
    return and_(mine, idempotency_keys.c.status.is_(None))
