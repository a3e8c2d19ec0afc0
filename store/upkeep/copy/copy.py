"""Copy a whole store into another database, in parts; an interrupted copy resumes.

Rows are copied table by table in key order, one bounded part per transaction. The progress is stored in the same
transaction (store/upkeep/copy/marker.py), so a repeated run continues from there. At the end both databases are
read again, counted and hashed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, Text, func, insert, inspect, literal, or_, select, table, text
from sqlalchemy.exc import SQLAlchemyError

import store.schema.inbound  # noqa: F401 (registers every table)
from store.database.connect import place_of
from store.database.error_translation import translated
from store.database.migrate import read_state, state, upgrade
from store.database.moved import require_not_moved
from store.engine import Store
from store.errors import CopyDiffers, InvalidValue, NotCopyable, TargetNotEmpty, Unavailable
from store.schema.base import metadata
from store.upkeep.copy.digest import digest_of
from store.upkeep.copy.marker import advance, create_marker, drop_marker, is_marked, read_position
from store.upkeep.copy.parts import PartLimits, in_parts, key_of

_VERSION_TABLE: Final = "alembic_version"

OnProgress = Callable[[str, int], None]
"""Called after each part with the table and the number of its rows copied so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """A table that is equal in both databases."""

    table: str
    rows: int
    digest: str  # hex, see store/upkeep/copy/digest.py


def copy_store(
    source: Engine,
    target: Engine,
    *,
    on_progress: OnProgress = lambda _table, _rows: None,
    on_equal: Callable[[], None] = lambda: None,
    bounds: PartLimits | None = None,
) -> list[CopiedTable]:
    """Copy all rows of *source* to the empty *target*; neither may change meanwhile.

    Resumes after an interruption. *on_progress* is called after each part, and *on_equal* when the copy is whole and
    equal, before the target can be used. Raises InvalidValue: the source is not at the newest revision, or the target
    has a later one. Raises MovedAway: the source was moved, and the target does not hold that copy, unfinished. Raises
    TargetNotEmpty. Raises NotCopyable: the target cannot
    store a row; a text with U+0000 is found before any row is written. Raises CopyDiffers: the copy is not equal at the
    end. Raises Unavailable: a database does not answer.
    """
    bounds = bounds or PartLimits()
    if not state(source, may_be_moved=True).is_current:
        raise InvalidValue("the store is not at this program's revision: run `mailseal migrate` first")
    with _translated_errors(), Store(source).snapshot() as tx:
        origin = tx.connection
        if not _is_unfinished(target):
            require_not_moved(origin, place=place_of(source.url))
        if target.dialect.name == "postgresql":
            _require_no_nul(origin)
        upgrade(target)
        with target.begin() as connection:
            create_marker(connection, metadata.sorted_tables)
        for each in metadata.sorted_tables:
            _copy_table(origin, target, each, on_progress, bounds)
        copied = [_compare(origin, target, each, bounds) for each in metadata.sorted_tables]
        on_equal()
        _finish(target)
    return copied


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise database errors as store errors."""
    try:
        yield
    except (SQLAlchemyError, UnicodeError) as error:
        raise translated(error) from error


def _is_unfinished(target: Engine) -> bool:
    """Whether *target* holds an unfinished copy; else it is empty. Changes nothing.

    Raises TargetNotEmpty. Raises InvalidValue: it has a later revision.
    """
    with target.connect() as connection:
        if read_state(connection).is_newer:
            raise InvalidValue("the target database was made by a later release, or by another program")
        if is_marked(connection):
            return True
        for name in set(inspect(connection).get_table_names()) - {_VERSION_TABLE}:
            if connection.execute(select(literal(1)).select_from(table(name)).limit(1)).first() is not None:
                raise TargetNotEmpty(f"the target database has rows already, in {name}: use an empty one")
    return False


def _require_no_nul(origin: Connection) -> None:
    """Raise NotCopyable, naming the row, for a text that PostgreSQL would reject."""
    for each in metadata.sorted_tables:
        texts = [column for column in each.c if isinstance(column.type, Text)]
        if origin.dialect.name == "sqlite" and texts:
            has_one = or_(*[func.instr(column, func.char(0)) > 0 for column in texts])
            row = origin.execute(select(each).where(has_one).limit(1)).first()
            if row is not None:
                (name, *_) = [column.name for column in texts if "\0" in (row._mapping[column] or "")]
                raise NotCopyable(f"{_named(each, row)}: {name} contains U+0000, which PostgreSQL cannot store")


def _copy_table(origin: Connection, target: Engine, each: Table, on_progress: OnProgress, bounds: PartLimits) -> None:
    with target.connect() as connection:
        behind, count = read_position(connection, each)
    with _naming(each):
        for rows in in_parts(origin, each, behind=behind, bounds=bounds):
            _keep(target, each, rows, count)
            count += len(rows)
            on_progress(each.name, count)


def _keep(target: Engine, each: Table, rows: Sequence[Row[Any]], before: int) -> None:
    try:
        with target.begin() as connection:
            advance(connection, each, key=key_of(each, rows[-1]), before=before, rows=before + len(rows))
            connection.execute(insert(each), [dict(row._mapping) for row in rows])
    except (SQLAlchemyError, UnicodeError) as error:
        store_error = translated(error)
        if isinstance(store_error, Unavailable):
            raise store_error from error
        between = f"{_named(each, rows[0])} to {_named(each, rows[-1])}"
        remedy = "if the store has changed since the copy began, empty the database and copy again"
        raise NotCopyable(f"the target database refused a row of {between}; {remedy}") from error


@contextmanager
def _naming(each: Table) -> Iterator[None]:
    """Name the table in errors about a row that cannot be read.

    SQLite stores values of any type in any column.
    """
    try:
        yield
    except TypeError as error:
        raise NotCopyable(f"{each.name}: a value has another type than its column") from error
    except SQLAlchemyError as error:
        raise Unavailable(f"{each.name} cannot be read") from error


def _compare(origin: Connection, target: Engine, each: Table, bounds: PartLimits) -> CopiedTable:
    sent = _digest(origin, each, bounds)
    with Store(target).snapshot() as tx:
        arrived = _digest(tx.connection, each, bounds)
    if sent != arrived:
        both = f"source: {sent[0]} rows, digest {sent[1]}; copy: {arrived[0]} rows, digest {arrived[1]}"
        raise CopyDiffers(f"{each.name} differs from its source ({both}): empty the target database and copy again")
    return CopiedTable(table=str(each.name), rows=sent[0], digest=sent[1])


def _digest(connection: Connection, each: Table, bounds: PartLimits) -> tuple[int, str]:
    with _naming(each):
        return digest_of(row for rows in in_parts(connection, each, bounds=bounds) for row in rows)


def _finish(target: Engine) -> None:
    with target.begin() as connection:
        if target.dialect.name == "postgresql":
            _advance_sequences(connection)
            # Else the planner would assume empty tables until autovacuum analyses them.
            connection.execute(text("ANALYZE " + ", ".join(each.name for each in metadata.sorted_tables)))
        drop_marker(connection)


def _advance_sequences(connection: Connection) -> None:
    """Set each PostgreSQL sequence behind the copied numbers."""
    for each in metadata.sorted_tables:
        if (column := each.autoincrement_column) is not None:
            counter = func.pg_get_serial_sequence(each.name, column.name)
            last = func.max(column)
            connection.execute(select(func.setval(counter, last)).having(last.is_not(None)))


def _named(each: Table, row: Row[Any]) -> str:
    return f"{each.name} {'/'.join(map(str, key_of(each, row)))}"
