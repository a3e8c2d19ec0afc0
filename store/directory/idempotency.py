"""Idempotency keys: a repeated request gets the first one's answer, for 24 hours.

One statement decides, so of any number of concurrent requests exactly one is new. Where the work is one
transaction, begin the request, work and store the answer in it: a process that dies then leaves no unfinished
request behind.
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
    """Insert the key, or take over one whose 24 hours are over."""
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
    """Register a request: new, still running elsewhere, or already answered.

    *request_hash* is the hex SHA-256 of the request. Raises IdempotencyMismatch: the key was used for another request.
    Raises InvalidValue: malformed key or hash.
    """
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidValue(f"an idempotency key has 1 to {MAX_KEY} printable characters")
    if not _HASH.fullmatch(request_hash):
        raise InvalidValue("a request hash is 64 hexadecimal digits in lower case")
    named = {"user_id": user_id, "key": key}
    taken = {**named, "request_hash": request_hash, "created_at": now, "long_ago": now - LIFETIME}
    if tx.execute(_BEGIN[tx.connection.dialect.name], taken).first() is not None:
        return BegunRequest("new")
    # The row still exists: the conflicting insert has locked it.
    kept = tx.execute(_KEPT, named).one()
    if kept.request_hash != request_hash:
        raise IdempotencyMismatch
    return BegunRequest("under way") if kept.status is None else BegunRequest("answered", kept.status, kept.answer)


def keep_answer(tx: Tx, user_id: str, key: str, *, status: int, answer: str | None) -> None:
    """Store the answer of a running request, for its repetitions.

    *status* is 200 to 599. Does nothing when no request with the key is running. Raises InvalidValue: another status.
    """
    tx.execute(update(idempotency_keys).where(_under_way(user_id, key)).values(status=status, answer=answer))


def forget_request(tx: Tx, user_id: str, key: str, *, begun_before: datetime | None = None) -> None:
    """Free the key of a request that failed; a stored answer stays.

    With *begun_before*, only a request that began earlier and so cannot be running any more.
    """
    stale = () if begun_before is None else (idempotency_keys.c.created_at < begun_before,)
    tx.execute(delete(idempotency_keys).where(_under_way(user_id, key), *stale))


def _under_way(user_id: str, key: str) -> ColumnElement[bool]:
    mine = and_(idempotency_keys.c.user_id == user_id, idempotency_keys.c.key == key)
    return and_(mine, idempotency_keys.c.status.is_(None))
