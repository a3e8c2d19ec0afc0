"""Read a table in key order, in parts bounded by row count and size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Table,
    Text,
    func,
    literal,
    select,
    true,
    tuple_,
)

from store.types import Json

Key = tuple[Any, ...]
"""The values of a row's primary key."""

_HAVE_A_LENGTH: Final = (Text, LargeBinary, Json)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """Upper bounds of a part; a larger single row is a part by itself."""

    rows: int = 1000
    size: int = 8 * 1024 * 1024  # characters and bytes


def in_parts(
    connection: Connection, table: Table, *, behind: Key | None = None, bounds: PartLimits
) -> Iterator[Sequence[Row[Any]]]:
    """All rows of *table* behind the key *behind*, in the order of that database."""
    query = select(table).order_by(*table.primary_key)
    for start, end in _ranges(connection, table, behind, bounds):
        yield connection.execute(query.where(_is_behind(table, start), _compared(table) <= _values(table, end))).all()


def key_of(table: Table, row: Row[Any]) -> Key:
    """The primary key of a row."""
    return tuple(row._mapping[column] for column in table.primary_key)


def _ranges(
    connection: Connection, table: Table, behind: Key | None, bounds: PartLimits
) -> Iterator[tuple[Key | None, Key]]:
    """The parts: for each, the key before its first row, and the key of its last."""
    # Keys and lengths first: a driver holds all fetched rows in memory, and only the lengths tell their size.
    query = select(*table.primary_key, _length(table)).order_by(*table.primary_key).limit(bounds.rows)
    while found := connection.execute(query.where(_is_behind(table, behind))).all():
        for end in _ends(found, bounds.size):
            yield behind, end
            behind = end


def _ends(found: Sequence[Sequence[Any]], most: int) -> Iterator[Key]:
    """The last key of each run of rows with a total of at most *most*."""
    held = 0
    for place, row in enumerate(found):
        if held and held + row[-1] > most:
            yield tuple(found[place - 1][:-1])
            held = 0
        held += row[-1]
    yield tuple(found[-1][:-1])


def _length(table: Table) -> ColumnElement[int]:
    lengths = [func.coalesce(func.length(column), 0) for column in table.c if isinstance(column.type, _HAVE_A_LENGTH)]
    return sum(lengths, start=literal(1))


def _is_behind(table: Table, key: Key | None) -> ColumnElement[bool]:
    return true() if key is None else _compared(table) > _values(table, key)


def _compared(table: Table) -> Any:
    """The key columns as a row value, so that a comparison uses the key's index."""
    return tuple_(*table.primary_key)


def _values(table: Table, key: Key) -> Any:
    return tuple_(*[literal(value, column.type) for value, column in zip(key, table.primary_key, strict=True)])
