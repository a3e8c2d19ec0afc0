"""The raw bytes of mails: once per content, apart from everything that lists touch.

A short mail is one row. The bytes of a long one are written ahead, a chunk a transaction, so that
no commit of anybody else's waits for them; the row in ``bodies`` is what makes them real.

What comes again is touched: ``created_at`` is when it came last, and a touched row is locked, so that
whoever removes what nothing points to (store/mail/body_gc.py) waits, and then finds that something does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import MessageNotFound, Unavailable
from store.schema.inbound import bodies, body_chunks
from store.transaction import Tx

CHUNK_BYTES: Final = 512 * 1024
INLINE_BYTES: Final = CHUNK_BYTES  # up to here a mail is one row


def _touch(new: postgresql.Insert | sqlite.Insert) -> Any:
    """Insert, or where it is there already only say when it came last."""
    return new.on_conflict_do_update(
        index_elements=list(new.table.primary_key), set_={"created_at": new.excluded.created_at}
    )


_KEEP_BODY: Final[Mapping[str, Any]] = {
    "sqlite": _touch(sqlite.insert(bodies)),
    "postgresql": _touch(postgresql.insert(bodies)),
}
_KEEP_CHUNK: Final[Mapping[str, Any]] = {
    "sqlite": _touch(sqlite.insert(body_chunks)),
    "postgresql": _touch(postgresql.insert(body_chunks)),
}
_BY_CONTENT: Final = itemgetter("sha256")
_CONTENT: Final = select(bodies.c.content).where(bodies.c.sha256 == bindparam("sha256"))
_PART: Final = select(body_chunks.c.content).where(
    body_chunks.c.sha256 == bindparam("sha256"), body_chunks.c.number == bindparam("number")
)
_LENGTHS: Final = (
    select(func.length(body_chunks.c.content))
    .where(body_chunks.c.sha256 == bindparam("sha256"))
    .order_by(body_chunks.c.number)
    .with_for_update()
)


def keep_body(tx: Tx, sha256: str, *, size: int, content: bytes | None, now: datetime) -> None:
    """Make a content real: *content* whole, or None when its chunks are written already.

    What points to it belongs in the same transaction. Raises Unavailable when a chunk is not there (any more).
    """
    if content is None:
        _require_chunks(tx, sha256, size)
    if ("body", sha256) in tx.notes:  # put off already, and PostgreSQL touches no row twice in one statement
        return
    tx.notes["body", sha256] = size
    values = {"sha256": sha256, "size": size, "content": content, "created_at": now}
    tx.defer(_KEEP_BODY[tx.connection.dialect.name], values, order=_BY_CONTENT)


def keep_chunk(tx: Tx, sha256: str, number: int, content: bytes, *, now: datetime) -> None:
    """Write a part of a long content ahead of keep_body, which is given the same *now*."""
    values = {"sha256": sha256, "number": number, "content": content, "created_at": now}
    tx.execute(_KEEP_CHUNK[tx.connection.dialect.name], values)


def read_body(tx: Tx, sha256: str) -> bytes:
    """All bytes of a content. Raises MessageNotFound."""
    row = tx.execute(_CONTENT, {"sha256": sha256}).first()
    if row is None:
        raise MessageNotFound
    if row.content is not None:
        return bytes(row.content)
    return _joined(tx, sha256)


def read_bodies(tx: Tx, contents: Sequence[str]) -> dict[str, bytes]:
    """All bytes of several contents, by their SHA-256; a long one is fetched in parts."""
    rows = tx.execute(select(bodies.c.sha256, bodies.c.content).where(bodies.c.sha256.in_(contents)))
    found = {row.sha256: row.content for row in rows}
    return {sha256: _joined(tx, sha256) if content is None else content for sha256, content in found.items()}


def read_chunk(tx: Tx, sha256: str, number: int) -> bytes | None:
    """Part *number* of a content, from 0; None behind the last. For streaming in bounded memory."""
    row = tx.execute(select(bodies.c.content).where(bodies.c.sha256 == sha256)).first()
    if row is not None and row.content is not None:
        return bytes(row.content) if number == 0 else None
    return tx.execute(_PART, {"sha256": sha256, "number": number}).scalar()  # type: ignore[no-any-return]


def _require_chunks(tx: Tx, sha256: str, size: int) -> None:
    """Hold all chunks of a content, so that none is removed before its row is there."""
    if sum(tx.execute_before_deferred(_LENGTHS, {"sha256": sha256}).scalars()) != size:
        raise Unavailable("a part of the content is missing: send it again")


def _joined(tx: Tx, sha256: str) -> bytes:
    """The parts of a long content as one, fetched one by one: at no time is any of it here twice."""
    whole = BytesIO()
    number = 0
    while part := tx.execute(_PART, {"sha256": sha256, "number": number}).scalar():
        whole.write(part)
        number += 1
    return whole.getvalue()
