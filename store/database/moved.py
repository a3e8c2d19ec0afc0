"""Mark a store as moved to another database, so that no program uses both.

The mark is a table outside the schema, as the one of an unfinished copy is: it is not copied with the store.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, insert, select

from store.errors import MovedAway

_moved: Final = Table(
    "mailseal_moved",
    MetaData(),
    Column("place", Text, nullable=False),  # URL without a password
    Column("at", Text, nullable=False),  # RFC 3339
)


def mark_moved(engine: Engine, *, to: str, now: datetime) -> None:
    """Mark the store of *engine* as moved to the database *to*; a mark from before is replaced."""
    with engine.begin() as connection:
        _moved.create(connection, checkfirst=True)
        connection.execute(_moved.delete())
        connection.execute(insert(_moved), {"place": to, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def forget_moved(engine: Engine) -> bool:
    """Remove the mark, so that the store is used again; whether there was one."""
    with engine.begin() as connection:
        is_marked = connection.dialect.has_table(connection, _moved.name)
        _moved.drop(connection, checkfirst=True)
        return is_marked


def require_not_moved(connection: Connection, *, place: str) -> None:
    """Raise MovedAway: the store at *place* has the mark."""
    if not connection.dialect.has_table(connection, _moved.name):
        return
    row = connection.execute(select(_moved)).first()
    if row is not None:
        raise MovedAway(
            f"the store {place} was moved to {row.place} at {row.at}: set MAILSEAL_DATABASE_URL to that,"
            " or run `mailseal reopen` to use this one again"
        )
