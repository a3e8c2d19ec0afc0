"""Transaction context passed to every query, and the type of a unit of work."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from store.database.constant import Constant, Values

T = TypeVar("T")


@dataclass(slots=True)
class Tx:
    """An open transaction; the first argument of every query.

    Sending rows one by one would be half of the cost of a mail. Statements whose result is not needed are
    deferred with ``defer`` and run once for the rows of the whole group.
    """

    connection: Connection
    topics: set[str] = field(default_factory=set)
    notes: dict[Any, Any] = field(default_factory=dict)  # cache of queries, valid within this transaction
    _deferred: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run one Core statement, after all deferred ones."""
        self.flush()
        return self.connection.execute(statement, parameters)

    def execute_before_deferred(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement that neither reads nor changes deferred rows."""
        return self.connection.execute(statement, parameters)

    def fetch(self, statement: Constant, values: Values) -> list[Any]:
        """Run a constant statement after all deferred ones; its rows, as named tuples."""
        self.flush()
        return statement.fetch(self.connection, values)

    def fetch_before_deferred(self, statement: Constant, values: Values) -> list[Any]:
        """Run a constant statement that neither reads nor changes deferred rows; its rows, as named tuples."""
        return statement.fetch(self.connection, values)

    def change(self, statement: Constant, values: Values) -> int:
        """Run a constant statement after all deferred ones; the number of rows it changed."""
        self.flush()
        return statement.change(self.connection, values)

    def defer(
        self, statement: Any, values: dict[str, Any], *, order: Callable[[dict[str, Any]], Any] | None = None
    ) -> None:
        """Run *statement*, a Constant or one of Core, with *values* before the next execute or the end of the group.

        All rows deferred for one *statement* run together; pass the same statement object each time. Statements run in
        the order in which they were first deferred. *values* may be changed until then, except for what *order* sorts
        by: two transactions that change the same rows in the same order never deadlock on them.
        """
        rows = self._deferred.setdefault(statement, [])
        if order is None:
            rows.append(values)
        else:
            insort(rows, values, key=order)

    def flush(self) -> None:
        """Run all deferred statements."""
        if self._deferred:
            deferred, self._deferred = self._deferred, {}
            self.notes.clear()  # values cached here are in the rows now
            for statement, rows in deferred.items():
                if isinstance(statement, Constant):
                    statement.run_deferred(self.connection, rows)
                else:
                    self.connection.execute(statement, rows)

    def wake(self, topic: str) -> None:
        """Notify *topic* after the commit, in this and in other processes."""
        self.topics.add(topic)


Unit = Callable[[Tx], T]
"""A synchronous function made of queries of this package; may run more than once, see store/engine.py."""
