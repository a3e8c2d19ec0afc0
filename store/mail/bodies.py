"""Store and read the raw bytes of mails: once per content, by SHA-256.

Lists never read these tables.
A short content is one row. The bytes of a long one are written ahead in chunks, one transaction each,
so that no other commit waits for them; the row in ``bodies`` makes them valid.

Content that is stored again is touched: ``created_at`` is its latest arrival. A touched row is locked, so
the collector of unused content (store/mail/body_gc.py) waits and then finds the new reference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from io import BytesIO
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from store.database.constant import Constant
from store.engine import Store
from store.errors import MessageNotFound, Unavailable
from store.schema.inbound import bodies, body_chunks
from store.transaction import Tx

CHUNK_BYTES: Final = 512 * 1024
INLINE_BYTES: Final = CHUNK_BYTES  # a content up to this size is one row


def _touch(new: postgresql.Insert | sqlite.Insert) -> Any:
    """Insert, or update ``created_at`` of the row that exists."""
    return new.on_conflict_do_update(
        index_elements=list(new.table.primary_key), set_={"created_at": new.excluded.created_at}
    )


_KEEP_BODY: Final = Constant({"sqlite": _touch(sqlite.insert(bodies)), "postgresql": _touch(postgresql.insert(bodies))})
_KEEP_CHUNK: Final[Mapping[str, Any]] = {
    "sqlite": _touch(sqlite.insert(body_chunks)),
    "postgresql": _touch(postgresql.insert(body_chunks)),
}
_BY_CONTENT: Final = itemgetter("sha256")
_CONTENT: Final = Constant(select(bodies.c.content).where(bodies.c.sha256 == bindparam("sha256")))
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
    """Store a content: *content* whole, or None when its chunks are written already.

    Rows that refer to it belong in the same transaction. Raises Unavailable when a chunk is missing.
    """
    if content is None:
        _require_chunks(tx, sha256, size)
    if ("body", sha256) in tx.notes:  # deferred already, and PostgreSQL updates no row twice in one statement
        return
    tx.notes["body", sha256] = size
    values = {"sha256": sha256, "size": size, "content": content, "created_at": now}
    tx.defer(_KEEP_BODY, values, order=_BY_CONTENT)


def keep_chunk(tx: Tx, sha256: str, number: int, content: bytes, *, now: datetime) -> None:
    """Write chunk *number* of a long content, before keep_body with the same *now*."""
    values = {"sha256": sha256, "number": number, "content": content, "created_at": now}
    tx.execute(_KEEP_CHUNK[tx.connection.dialect.name], values)


def split_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Split *pieces* of any size into chunks of CHUNK_BYTES; the last is shorter."""
    held = b""
    for piece in pieces:
        held = held + piece if held else piece
        whole = len(held) - len(held) % CHUNK_BYTES
        for start in range(0, whole, CHUNK_BYTES):
            yield held[start : start + CHUNK_BYTES]
        held = held[whole:]
    if held:
        yield held


def chunk_units(sha256: str, pieces: Iterable[bytes], *, now: datetime) -> Iterator[Callable[[Tx], None]]:
    """The writes that store a long content's chunks, in order.

    Each may run in a transaction of its own.
    """
    for number, chunk in enumerate(split_chunks(pieces)):
        yield partial(keep_chunk, sha256=sha256, number=number, content=chunk, now=now)


async def keep_ahead(sha256: str, pieces: Iterable[bytes], *, store: Store, now: datetime) -> None:
    """Write a long content's chunks before keep_body, one transaction each.

    So no other commit waits for more than one chunk.
    Chunks without a later keep_body are collected as unused. Raises Unavailable.
    """
    for unit in chunk_units(sha256, pieces, now=now):
        await store.write(unit)


def keep_content(tx: Tx, sha256: str, raw: bytes, *, now: datetime) -> None:
    """Store all bytes of a content in this transaction, in chunks when it is long."""
    if len(raw) <= INLINE_BYTES:
        keep_body(tx, sha256, size=len(raw), content=raw, now=now)
        return
    for unit in chunk_units(sha256, [raw], now=now):
        unit(tx)
    keep_body(tx, sha256, size=len(raw), content=None, now=now)


def read_body(tx: Tx, sha256: str) -> bytes:
    """All bytes of a content. Raises MessageNotFound."""
    rows = tx.fetch(_CONTENT, {"sha256": sha256})
    if not rows:
        raise MessageNotFound
    if rows[0].content is not None:
        return bytes(rows[0].content)
    return _joined(tx, sha256)


def read_bodies(tx: Tx, contents: Sequence[str]) -> dict[str, bytes]:
    """All bytes of several contents, by their SHA-256.

    A long one is read chunk by chunk.
    """
    rows = tx.execute(select(bodies.c.sha256, bodies.c.content).where(bodies.c.sha256.in_(contents)))
    found = {row.sha256: row.content for row in rows}
    return {sha256: _joined(tx, sha256) if content is None else content for sha256, content in found.items()}


def read_chunk(tx: Tx, sha256: str, number: int) -> bytes | None:
    """Chunk *number* of a content, from 0; None after the last one.

    For streaming in bounded memory.
    """
    row = tx.execute(select(bodies.c.content).where(bodies.c.sha256 == sha256)).first()
    if row is not None and row.content is not None:
        return bytes(row.content) if number == 0 else None
    return tx.execute(_PART, {"sha256": sha256, "number": number}).scalar()  # type: ignore[no-any-return]


def _require_chunks(tx: Tx, sha256: str, size: int) -> None:
    """Lock all chunks of a content, so that none is removed before its row.

    Raises Unavailable when one is missing.
    """
    if sum(tx.execute_before_deferred(_LENGTHS, {"sha256": sha256}).scalars()) != size:
        raise Unavailable(f"a chunk of the content {sha256} is missing: send the mail again")


def _joined(tx: Tx, sha256: str) -> bytes:
    """The chunks of a long content as one.

    They are read one by one: no byte is in memory twice.
    """
    whole = BytesIO()
    number = 0
    while part := tx.execute(_PART, {"sha256": sha256, "number": number}).scalar():
        whole.write(part)
        number += 1
    return whole.getvalue()
