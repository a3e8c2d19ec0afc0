"""A whole store copied into another database, in parts that can be interrupted.

Rows go table by table in order of their keys, a bounded part a transaction; where it stands is
written in the same transaction, in a table of the target's that is no part of the schema. While that
table is there nobody opens the target (store/migrate.py), and the copy goes on from it when it is run
again. At the end both sides are counted and hashed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Engine,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

import store.schema  # noqa: F401 (registers every table)
from store.digest import digest_of
from store.engine import BEGIN_OPTION
from store.errors import Conflict, InvalidValue
from store.failure import translated
from store.migrate import UNFINISHED, state, upgrade
from store.schema_base import metadata

_PART_ROWS: Final = 500
_PART_BYTES: Final = 4 * 1024 * 1024
_FETCHED: Final = 200  # rows at a time from the source
_FETCHED_LARGE: Final = 4  # of tables that hold contents: one may have megabytes

# Registered beside the schema's tables and not among them.
_marker: Final = Table(
    UNFINISHED,
    MetaData(),
    Column("name", Text, primary_key=True),  # of a table
    Column("position", Text),  # the key of the last row that is there, as JSON; NULL before the first
    Column("rows", BigInteger, nullable=False),
)

Tell = Callable[[str, int], None]
"""Told after each part: the table, and how many of its rows are there."""


class TargetNotEmpty(Conflict):
    """The database to copy into has rows already."""


class CopyDiffers(Conflict):
    """What arrived is not what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """A table that is the same on both sides."""

    table: str
    rows: int
    digest: str  # hex, see store/digest.py


def copy_store(source: Engine, target: Engine, *, tell: Tell = lambda _table, _rows: None) -> list[CopiedTable]:
    """Copy everything of *source* to the empty *target*; nobody may write to either meanwhile.

    Raises InvalidValue when the source is not at the newest revision or holds what the target cannot,
    TargetNotEmpty, CopyDiffers, Unavailable when a database does not answer. After an interruption it goes on.
    """
    if not state(source).is_current:
        raise InvalidValue("the store is not at this program's revision: run `mailseal migrate` first")
    try:
        upgrade(target)
        with _snapshot(source) as origin:
            _prepare(target)
            for table in metadata.sorted_tables:
                _copy_table(origin, target, table, tell)
            copied = [_compare(origin, target, table) for table in metadata.sorted_tables]
        _finish(target)
    except SQLAlchemyError as error:
        raise translated(error) from error
    return copied


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    sqlite = engine.dialect.name == "sqlite"
    options = {BEGIN_OPTION: "BEGIN"} if sqlite else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**options) as connection:
        yield connection


def _prepare(target: Engine) -> None:
    """Mark *target* as unfinished, unless it is so already. Raises TargetNotEmpty."""
    with target.begin() as connection:
        if target.dialect.has_table(connection, UNFINISHED):
            return
        for table in metadata.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is not None:
                raise TargetNotEmpty(f"the database to copy into has rows already, in {table.name}")
        _marker.create(connection)
        rows = [{"name": table.name, "position": None, "rows": 0} for table in metadata.sorted_tables]
        connection.execute(insert(_marker), rows)


def _copy_table(origin: Connection, target: Engine, table: Table, tell: Tell) -> None:
    with target.connect() as connection:
        found = connection.execute(select(_marker).where(_marker.c.name == table.name)).one()
    position, count = found.position and orjson.loads(found.position), found.rows
    with _rows(origin, table, position) as rows:
        for part in _parts(rows):
            count += len(part)
            last = [getattr(part[-1], column.name) for column in table.primary_key]
            _keep_part(target, table, part, position=orjson.dumps(last).decode(), rows=count)
            tell(table.name, count)


def _keep_part(target: Engine, table: Table, part: Sequence[Row[Any]], *, position: str, rows: int) -> None:
    if target.dialect.name == "postgresql":
        _require_no_nul(table, part)
    with target.begin() as connection:
        connection.execute(insert(table), [dict(row._mapping) for row in part])
        at = update(_marker).where(_marker.c.name == table.name)
        connection.execute(at.values(position=position, rows=rows))


def _parts(rows: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """*rows* in parts of bounded size."""
    part: list[Row[Any]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(part) == _PART_ROWS or size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


@contextmanager
def _rows(origin: Connection, table: Table, position: Sequence[Any] | None = None) -> Iterator[Iterable[Row[Any]]]:
    """The rows of *table* behind *position*, in order of their key, fetched a few at a time."""
    key = list(table.primary_key)
    query = select(table).order_by(*key)
    if position is not None:
        last = [_from_json(column, value) for column, value in zip(key, position, strict=True)]
        query = query.where(tuple_(*key) > tuple_(*last, types=[column.type for column in key]))
    is_large = any(isinstance(column.type, LargeBinary) for column in table.c)
    fetched = _FETCHED_LARGE if is_large else _FETCHED
    with origin.execute(query, execution_options={"yield_per": fetched}) as rows:
        yield rows


def _from_json(column: Column[Any], value: Any) -> Any:
    return date.fromisoformat(value) if isinstance(column.type, Date) else value


def _compare(origin: Connection, target: Engine, table: Table) -> CopiedTable:
    with _rows(origin, table) as rows:
        sent = digest_of(rows)
    with target.connect() as connection, _rows(connection, table) as rows:
        arrived = digest_of(rows)
    if sent != arrived:
        raise CopyDiffers(f"{table.name}: {sent[0]} rows were sent and {arrived[0]} arrived, or they are not the same")
    return CopiedTable(table=str(table.name), rows=sent[0], digest=sent[1])


def _finish(target: Engine) -> None:
    with target.begin() as connection:
        if target.dialect.name == "postgresql":
            _count_on(connection)
        _marker.drop(connection)


def _count_on(connection: Connection) -> None:
    """Have every counter of PostgreSQL's go on behind the rows that came with their numbers."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        last = None if column is None else connection.execute(select(func.max(column))).scalar()
        if column is not None and last is not None:
            words = {"table": table.name, "column": column.name, "last": last}
            connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"), words)


def _require_no_nul(table: Table, part: Sequence[Row[Any]]) -> None:
    """Refuse with the row's name what PostgreSQL would refuse without one."""
    for row in part:
        for name, value in row._mapping.items():
            if isinstance(value, str) and "\0" in value:
                key = "/".join(str(getattr(row, column.name)) for column in table.primary_key)
                raise InvalidValue(f"{table.name} {key}: PostgreSQL's text holds no NUL, which {name} has")
