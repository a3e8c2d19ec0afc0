"""Statements whose text never changes: compiled once, then run by the driver itself.

SQLAlchemy's share of a small statement is several times the database's own. A Constant is built from a Core
statement, so its text, its columns and the conversion of each value follow the schema; only the way to the driver is
shorter. Errors, listeners of the engine and transactions are those of SQLAlchemy.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Dialect, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import Insert

from store.database.error_translation import as_sqlalchemy, unbindable
from store.database.many_rows import insert_texts
from store.types import Json, converters

Values = Mapping[str, Any]
Gather = Callable[[Sequence[Values]], Sequence[Values]]

_STYLES: Final = {"sqlite": "qmark", "postgresql": "format"}  # parameters by position, as the drivers take them


def any_of(column: ColumnElement[str], name: str) -> dict[str, ColumnElement[bool]]:
    """The condition that *column* is one of the list of texts *name*, for each kind of database."""
    of_list = func.json_each(bindparam(name, type_=Json)).table_valued("value")
    return {
        "sqlite": column.in_(select(of_list.c.value)),
        "postgresql": column == func.any(bindparam(name, type_=ARRAY(Text))),
    }


class Constant:
    """A Core statement with named parameters, for one database or, as a mapping by dialect, one for each."""

    def __init__(self, core: Any, *, gather: Gather | None = None) -> None:
        """*gather* turns the values of all deferred rows into those of fewer runs."""
        self._core = core
        self._gather = gather
        self._plans: dict[tuple[str, tuple[str, ...]], _Plan] = {}

    def core(self, dialect_name: str) -> Any:
        """The statement as SQLAlchemy runs it."""
        return self._core[dialect_name] if isinstance(self._core, Mapping) else self._core

    def gathered(self, rows: Sequence[Values]) -> Sequence[Values]:
        """The values of each run, for *rows* deferred by a transaction."""
        return rows if self._gather is None else self._gather(rows)

    def fetch(self, connection: Connection, values: Values) -> list[Any]:
        """Run it once; the rows that it returns, as named tuples."""
        plan = self._plan(connection.dialect)
        return [plan.row(found) for found in _run(connection, plan.text, plan.bound(values))[0]]

    def change(self, connection: Connection, values: Values) -> int:
        """Run it once; the number of rows it changed."""
        plan = self._plan(connection.dialect)
        return _run(connection, plan.text, plan.bound(values))[1]

    def run_deferred(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it for all *rows*, by as few statements as can be; all rows have the names of the first."""
        plan = self._plan(connection.dialect, tuple(rows[0]))
        runs = self.gathered(rows)
        if plan.texts is None:
            _run_many(connection, plan.text, [plan.bound(values) for values in runs])
            return
        at = 0
        for size, text in plan.texts:
            while len(runs) - at >= size:
                _run(connection, text, plan.bound_flat(runs[at : at + size]))
                at += size

    def _plan(self, dialect: Dialect, names: tuple[str, ...] = ()) -> "_Plan":
        """The plan for *dialect*; of an INSERT, for rows of these columns."""
        plan = self._plans.get((dialect.name, names))
        if plan is None:
            plan = self._plans[dialect.name, names] = _Plan(self.core(dialect.name), dialect, names)
        return plan


class _Plan:
    """A statement as one driver takes it."""

    def __init__(self, core: Any, dialect: Dialect, names: tuple[str, ...]) -> None:
        positional = type(dialect)(paramstyle=_STYLES[dialect.name])  # type: ignore[call-arg]
        compiled = core.compile(dialect=positional, column_keys=list(names) if isinstance(core, Insert) else None)
        binds = [compiled.binds[name] for name in compiled.positiontup]
        assert not any(bind.expanding for bind in binds), "the text of a list of values changes with its length"
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup)
        self._given = {
            name: bind.effective_value for name, bind in zip(self._names, binds, strict=True) if not bind.required
        }
        self._inward = converters([bind.type for bind in binds], positional, inward=True)
        columns = list(core.exported_columns)
        self._outward = converters([column.type for column in columns], positional, inward=False)
        row = namedtuple("row", [column.key for column in columns])  # type: ignore[misc]  # noqa: PYI024
        self._make = row._make
        self.texts = insert_texts(self.text) if isinstance(core, Insert) and dialect.name == "sqlite" else None

    def bound(self, values: Values) -> list[Any]:
        """*values* in order, as the driver takes them. Raises StatementError: a value of another type."""
        if self._given:
            values = {**self._given, **values}
        try:
            found = [values[name] for name in self._names]
            for at, convert in self._inward:
                if found[at] is not None:
                    found[at] = convert(found[at])
        except Exception as error:
            raise unbindable(error) from error
        return found

    def bound_flat(self, rows: Sequence[Values]) -> list[Any]:
        """The values of several rows, one row after the other."""
        return [value for values in rows for value in self.bound(values)]

    def row(self, found: Sequence[Any]) -> Any:
        """A row of the driver's as a named tuple with the schema's types."""
        if not self._outward:
            return self._make(found)
        values = [*found]
        for at, convert in self._outward:
            if values[at] is not None:
                values[at] = convert(values[at])
        return self._make(values)


def _run(connection: Connection, text: str, values: list[Any]) -> tuple[list[Any], int]:
    """Run *text* in the transaction of *connection*, which begins where there is none; its rows, and how many changed.

    Raises DBAPIError as SQLAlchemy does.
    """
    _begin(connection)
    cursor: Any = connection.connection.cursor()
    _tell(connection.dispatch.before_cursor_execute, connection, cursor, text, values)
    try:
        cursor.execute(text, values)
        rows = cursor.fetchall() if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy(connection, error, text) from error
    _tell(connection.dispatch.after_cursor_execute, connection, cursor, text, values)
    return rows, cursor.rowcount


def _run_many(connection: Connection, text: str, runs: list[list[Any]]) -> None:
    """Run *text* for each of *runs*, one after the other."""
    if len(runs) == 1:
        _run(connection, text, runs[0])
        return
    _begin(connection)
    cursor = connection.connection.cursor()
    _tell(connection.dispatch.before_cursor_execute, connection, cursor, text, runs, many=True)
    try:
        cursor.executemany(text, runs)
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy(connection, error, text) from error
    _tell(connection.dispatch.after_cursor_execute, connection, cursor, text, runs, many=True)


def _begin(connection: Connection) -> None:
    if not connection.in_transaction():
        connection.begin()


def _tell(
    listeners: Any, connection: Connection, cursor: Any, text: str, values: Sequence[Any], *, many: bool = False
) -> None:
    """Tell those who listen to the engine's statements, as SQLAlchemy does for its own."""
    if listeners:
        parameters = [tuple(each) for each in values] if many else tuple(values)
        for hear in listeners:
            hear(connection, cursor, text, parameters, None, many)
