"""A whole store copied into another database, in parts that can be interrupted.

Rows go table by table in order of their keys, a bounded part a transaction; how far it is stands in
the same transaction (store/upkeep/copy/marker.py), and run again it goes on from there. At the end both
sides are read again, counted and hashed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, Text, func, insert, inspect, literal, or_, select, table, text
from sqlalchemy.exc import SQLAlchemyError

import store.schema.inbound  # noqa: F401 (registers every table)
from store.database.error_translation import translated
from store.database.migrate import read_state, state, upgrade
from store.engine import Store
from store.errors import CopyDiffers, InvalidValue, NotCopyable, TargetNotEmpty, Unavailable
from store.schema.base import metadata
from store.upkeep.copy.digest import digest_of
from store.upkeep.copy.marker import advance, create_marker, drop_marker, is_marked, read_position
from store.upkeep.copy.parts import PartLimits, in_parts, key_of

_VERSION_TABLE: Final = "alembic_version"

OnProgress = Callable[[str, int], None]
"""Told after each part: the table, and how many of its rows are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """A table that is the same on both sides."""

    table: str
    rows: int
    digest: str  # hex, see store/upkeep/copy/digest.py


def copy_store(
    source: Engine, target: Engine, *, tell: OnProgress = lambda _table, _rows: None, bounds: PartLimits | None = None
) -> list[CopiedTable]:
    """Copy everything of *source* to the empty *target*; nobody may write to either meanwhile.

    After an interruption it goes on. Raises InvalidValue when the source is not at the newest revision,
    TargetNotEmpty and NotCopyable before anything is written, CopyDiffers at the end, and Unavailable when a
    database does not answer.
    """
    bounds = bounds or PartLimits()
    if not state(source).is_current:
        raise InvalidValue("the store is not at this program's revision: run `mailseal migrate` first")
    with _told(), Store(source).snapshot() as tx:
        origin = tx.connection
        _require_room(target)
        if target.dialect.name == "postgresql":
            _require_no_nul(origin)
        upgrade(target)
        with target.begin() as connection:
            create_marker(connection, metadata.sorted_tables)
        for each in metadata.sorted_tables:
            _copy_table(origin, target, each, tell, bounds)
        copied = [_compare(origin, target, each, bounds) for each in metadata.sorted_tables]
        _finish(target)
    return copied


@contextmanager
def _told() -> Iterator[None]:
    """What a database says, as callers may see it."""
    try:
        yield
    except (SQLAlchemyError, UnicodeError) as error:
        raise translated(error) from error


def _require_room(target: Engine) -> None:
    """Have *target* empty, or half full of a copy of ours. Raises TargetNotEmpty, and then has changed nothing."""
    with target.connect() as connection:
        if read_state(connection).is_newer:
            raise InvalidValue("the database to copy into was made by a later release, or by another program")
        if is_marked(connection):
            return
        for name in set(inspect(connection).get_table_names()) - {_VERSION_TABLE}:
            if connection.execute(select(literal(1)).select_from(table(name)).limit(1)).first() is not None:
                raise TargetNotEmpty(f"the database to copy into has rows already, in {name}")


def _require_no_nul(origin: Connection) -> None:
    """Raises NotCopyable with the place of a text that PostgreSQL would refuse."""
    for each in metadata.sorted_tables:
        texts = [column for column in each.c if isinstance(column.type, Text)]
        if origin.dialect.name == "sqlite" and texts:
            has_one = or_(*[func.instr(column, func.char(0)) > 0 for column in texts])
            row = origin.execute(select(each).where(has_one).limit(1)).first()
            if row is not None:
                (name, *_) = [column.name for column in texts if "\0" in (row._mapping[column] or "")]
                raise NotCopyable(f"{_named(each, row)}: {name} holds U+0000, which PostgreSQL's text cannot")


def _copy_table(origin: Connection, target: Engine, each: Table, tell: OnProgress, bounds: PartLimits) -> None:
    with target.connect() as connection:
        behind, count = read_position(connection, each)
    with _naming(each):
        for rows in in_parts(origin, each, behind=behind, bounds=bounds):
            _keep(target, each, rows, count)
            count += len(rows)
            tell(each.name, count)


def _keep(target: Engine, each: Table, rows: Sequence[Row[Any]], before: int) -> None:
    try:
        with target.begin() as connection:
            advance(connection, each, key=key_of(each, rows[-1]), before=before, rows=before + len(rows))
            connection.execute(insert(each), [dict(row._mapping) for row in rows])
    except (SQLAlchemyError, UnicodeError) as error:
        told = translated(error)
        if isinstance(told, Unavailable):
            raise told from error
        between = f"{_named(each, rows[0])} to {_named(each, rows[-1])}"
        remedy = "if the store has changed since the copy began, empty the database and copy again"
        raise NotCopyable(f"the database to copy into refused a row of {between}; {remedy}") from error


@contextmanager
def _naming(each: Table) -> Iterator[None]:
    """Say in which table something is that cannot even be read: SQLite keeps what it is given."""
    try:
        yield
    except TypeError as error:
        raise NotCopyable(f"{each.name}: a value is of another type than its column") from error
    except SQLAlchemyError as error:
        raise Unavailable(f"{each.name} cannot be read") from error


def _compare(origin: Connection, target: Engine, each: Table, bounds: PartLimits) -> CopiedTable:
    sent = _digest(origin, each, bounds)
    with Store(target).snapshot() as tx:
        arrived = _digest(tx.connection, each, bounds)
    if sent != arrived:
        both = f"{sent[0]} rows with digest {sent[1]} there, {arrived[0]} with {arrived[1]} here"
        raise CopyDiffers(f"{each.name} is not what it was copied from ({both}): empty the database and copy again")
    return CopiedTable(table=str(each.name), rows=sent[0], digest=sent[1])


def _digest(connection: Connection, each: Table, bounds: PartLimits) -> tuple[int, str]:
    with _naming(each):
        return digest_of(row for rows in in_parts(connection, each, bounds=bounds) for row in rows)


def _finish(target: Engine) -> None:
    with target.begin() as connection:
        if target.dialect.name == "postgresql":
            _count_on(connection)
            # Or its planner would take every table for an empty one until it has looked by itself.
            connection.execute(text("ANALYZE " + ", ".join(each.name for each in metadata.sorted_tables)))
        drop_marker(connection)


def _count_on(connection: Connection) -> None:
    """Have every counter of PostgreSQL's go on behind the rows that came with their numbers."""
    for each in metadata.sorted_tables:
        if (column := each.autoincrement_column) is not None:
            counter = func.pg_get_serial_sequence(each.name, column.name)
            last = func.max(column)
            connection.execute(select(func.setval(counter, last)).having(last.is_not(None)))


def _named(each: Table, row: Row[Any]) -> str:
    return f"{each.name} {'/'.join(map(str, key_of(each, row)))}"
