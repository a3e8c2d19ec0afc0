"""The raw bytes of mails: once per content, apart from everything that lists touch.

A short mail is one row. The bytes of a long one are written ahead, a chunk a transaction, so that
no commit of anybody else's waits for them; the row in ``bodies`` is what makes them real.
"""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Final

from sqlalchemy import Insert, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import MessageNotFound
from store.schema import bodies, body_chunks
from store.transaction import Tx

CHUNK_BYTES: Final = 512 * 1024
INLINE_BYTES: Final = CHUNK_BYTES  # up to here a mail is one row

# Inserts that leave a row that is there already as it is; each database has its own words for it.
_KEEP_BODY: Final[dict[str, Insert]] = {
    "sqlite": sqlite.insert(bodies).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(bodies).on_conflict_do_nothing(),
}
_PART: Final = select(body_chunks.c.content).where(
    body_chunks.c.sha256 == bindparam("sha256"), body_chunks.c.number == bindparam("number")
)
_KEEP_CHUNK: Final[dict[str, Insert]] = {
    "sqlite": sqlite.insert(body_chunks).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(body_chunks).on_conflict_do_nothing(),
}


def keep_body(tx: Tx, sha256: str, *, size: int, content: bytes | None, now: datetime) -> None:
    """Make a content real: *content* whole, or None when its chunks are written already."""
    values = {"sha256": sha256, "size": size, "content": content, "created_at": now}
    tx.later(_KEEP_BODY[tx.connection.dialect.name], values)


def keep_chunk(tx: Tx, sha256: str, number: int, content: bytes, *, now: datetime) -> None:
    """Write a part of a long content ahead of keep_body."""
    values = {"sha256": sha256, "number": number, "content": content, "created_at": now}
    tx.execute(_KEEP_CHUNK[tx.connection.dialect.name], values)


def read_body(tx: Tx, sha256: str) -> bytes:
    """All bytes of a content. Raises MessageNotFound."""
    row = tx.execute(select(bodies.c.content).where(bodies.c.sha256 == sha256)).first()
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


def _joined(tx: Tx, sha256: str) -> bytes:
    """The parts of a long content as one, fetched one by one: at no time is any of it here twice."""
    whole = BytesIO()
    number = 0
    while part := tx.execute(_PART, {"sha256": sha256, "number": number}).scalar():
        whole.write(part)
        number += 1
    return whole.getvalue()
