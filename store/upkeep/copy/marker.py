"""Progress of a store copy, stored in the target database.

The table is not part of the schema. While it exists the database holds an unfinished copy, and
store/database/migrate.py refuses to open it.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Column, Connection, Date, MetaData, Table, Text, insert, select, update

from store.database.migrate import UNFINISHED
from store.errors import TargetNotEmpty
from store.upkeep.copy.parts import Key

# Has its own MetaData: it is not one of the schema's tables.
_marker: Final = Table(
    UNFINISHED,
    MetaData(),
    Column("name", Text, primary_key=True),  # name of a table
    Column("position", Text),  # key of the last copied row, as JSON; NULL before the first
    Column("rows", BigInteger, nullable=False),
)


def is_marked(connection: Connection) -> bool:
    """Whether this database holds an unfinished copy."""
    return connection.dialect.has_table(connection, UNFINISHED)


def create_marker(connection: Connection, tables: Iterable[Table]) -> None:
    """Create the marker table with a row per table; keeps existing progress."""
    _marker.create(connection, checkfirst=True)
    known = set(connection.execute(select(_marker.c.name)).scalars())
    missing = [{"name": table.name, "position": None, "rows": 0} for table in tables if table.name not in known]
    if missing:
        connection.execute(insert(_marker), missing)


def drop_marker(connection: Connection) -> None:
    """Drop the marker table: the copy is complete."""
    _marker.drop(connection)


def read_position(connection: Connection, table: Table) -> tuple[Key | None, int]:
    """The key of the last copied row of *table*, and the number of copied rows."""
    found = connection.execute(select(_marker).where(_marker.c.name == table.name)).one()
    return None if found.position is None else _key(table, orjson.loads(found.position)), found.rows


def advance(connection: Connection, table: Table, *, key: Key, before: int, rows: int) -> None:
    """Record that *rows* rows of *table* are copied, up to *key*.

    Raises TargetNotEmpty: another process has copied rows since.
    """
    as_it_was = (_marker.c.name == table.name) & (_marker.c.rows == before)
    here = {"position": orjson.dumps(key).decode(), "rows": rows}
    if connection.execute(update(_marker).where(as_it_was).values(here)).rowcount != 1:
        raise TargetNotEmpty("another process copies into this database: let only one run")


def _key(table: Table, values: list[Any]) -> Key:
    columns = table.primary_key.columns
    return tuple(
        date.fromisoformat(value) if isinstance(column.type, Date) else value
        for column, value in zip(columns, values, strict=True)
    )
