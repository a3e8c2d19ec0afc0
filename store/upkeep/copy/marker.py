"""How far a copy is, written in the database that is copied into.

The table is no part of the schema. While it is there the database holds half a store, and
store/database/migrate.py lets nobody open it.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Column, Connection, Date, MetaData, Table, Text, insert, select, update

from store.database.migrate import UNFINISHED
from store.errors import TargetNotEmpty
from store.upkeep.copy.parts import Key

# Registered beside the schema's tables and not among them.
_marker: Final = Table(
    UNFINISHED,
    MetaData(),
    Column("name", Text, primary_key=True),  # of a table
    Column("position", Text),  # the key of the last row that is there, as JSON; NULL before the first
    Column("rows", BigInteger, nullable=False),
)


def is_marked(connection: Connection) -> bool:
    """Whether a copy into this database has begun and not ended."""
    return connection.dialect.has_table(connection, UNFINISHED)


def create_marker(connection: Connection, tables: Iterable[Table]) -> None:
    """Say that a copy of *tables* begins here, or goes on."""
    _marker.create(connection, checkfirst=True)
    known = set(connection.execute(select(_marker.c.name)).scalars())
    missing = [{"name": table.name, "position": None, "rows": 0} for table in tables if table.name not in known]
    if missing:
        connection.execute(insert(_marker), missing)


def drop_marker(connection: Connection) -> None:
    """Say that the copy is whole."""
    _marker.drop(connection)


def read_position(connection: Connection, table: Table) -> tuple[Key | None, int]:
    """The key of the last row of *table* that has arrived, and how many have."""
    found = connection.execute(select(_marker).where(_marker.c.name == table.name)).one()
    return None if found.position is None else _key(table, orjson.loads(found.position)), found.rows


def advance(connection: Connection, table: Table, *, key: Key, before: int, rows: int) -> None:
    """Say that *rows* of *table* have arrived, up to *key*. Raises TargetNotEmpty when another copy did since."""
    as_it_was = (_marker.c.name == table.name) & (_marker.c.rows == before)
    here = {"position": orjson.dumps(key).decode(), "rows": rows}
    if connection.execute(update(_marker).where(as_it_was).values(here)).rowcount != 1:
        raise TargetNotEmpty("somebody else copies into this database")


def _key(table: Table, values: list[Any]) -> Key:
    columns = table.primary_key.columns
    return tuple(
        date.fromisoformat(value) if isinstance(column.type, Date) else value
        for column, value in zip(columns, values, strict=True)
    )
