"""An open transaction, and what runs in one."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


@dataclass(slots=True)
class Tx:
    """An open transaction, handed to every query first.

    Half of the cost of a mail would be sending rows one by one. Statements that nobody waits for
    are put off with ``later`` and run once for the rows of the whole group.
    """

    connection: Connection
    topics: set[str] = field(default_factory=set)
    notes: dict[Any, Any] = field(default_factory=dict)  # what queries know of this very transaction
    _put_off: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run one Core statement, behind everything that was put off."""
        self.flush()
        return self.connection.execute(statement, parameters)

    def execute_before_deferred(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement that does not care about rows put off: it neither sees nor touches them."""
        return self.connection.execute(statement, parameters)

    def defer(
        self, statement: Any, values: dict[str, Any], *, order: Callable[[dict[str, Any]], Any] | None = None
    ) -> None:
        """Run *statement* with *values* before the next execute, or at the end, together with all of its kind.

        *statement* is the same object each time; kinds run in the order in which they were first put off.
        *values* may be changed until then, but for what *order* sorts them by: two transactions that change
        the same rows in the same order never wait for each other in a ring.
        """
        rows = self._put_off.setdefault(statement, [])
        if order is None:
            rows.append(values)
        else:
            insort(rows, values, key=order)

    def flush(self) -> None:
        """Run what was put off."""
        if self._put_off:
            put_off, self._put_off = self._put_off, {}
            self.notes.clear()  # what was counted here is in the rows now
            for statement, rows in put_off.items():
                self.connection.execute(statement, rows)

    def wake(self, topic: str) -> None:
        """Wake whoever waits for *topic*, here and in other processes, once this is committed."""
        self.topics.add(topic)


Unit = Callable[[Tx], T]
"""A synchronous function of the queries in this package; written to be run twice, see store/engine.py."""
