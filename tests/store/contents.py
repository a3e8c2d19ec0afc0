"""Units that keep raw bytes, and looks at what is kept of them."""

from hashlib import sha256

from sqlalchemy import func, select

from store.mail.bodies import CHUNK_BYTES, keep_body, keep_chunk


def name(content):
    return sha256(content).hexdigest()


def keep(content, *, now):
    return lambda tx: keep_body(tx, name(content), size=len(content), content=content, now=now)


def parts_of(content, size=CHUNK_BYTES):
    return [content[start : start + size] for start in range(0, len(content), size)]


def keep_in_parts(content, *, now, size=CHUNK_BYTES):
    def unit(tx):
        for number, part in enumerate(parts_of(content, size)):
            keep_chunk(tx, name(content), number, part, now=now)
        keep_body(tx, name(content), size=len(content), content=None, now=now)

    return unit


def rows(table):
    """How many a table has."""
    return lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one()


def times(table):
    """When each content of a table came last."""
    return lambda tx: list(tx.execute(select(table.c.created_at).order_by(table.c.created_at)).scalars())
