"""A connection that one thread keeps from transaction to transaction.

Taking a connection out of the pool, resetting it and putting it back costs more than a small transaction, and on
PostgreSQL a round trip.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError


class KeptConnection:
    """The connection of one thread; after an error it is returned to the pool, and the next use takes another."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        """*options* are execution options of the connection."""
        self._engine = engine
        self._options = options
        self._connection: Connection | None = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection, outside of a transaction. Raises SQLAlchemyError: it cannot be opened."""
        try:
            yield self._opened()
        except BaseException:
            self.close()
            raise
        if self._connection is not None and (self._connection.invalidated or self._connection.in_transaction()):
            self.close()

    def close(self) -> None:
        """Return it to the pool, which rolls back what was begun on it. No error."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(SQLAlchemyError):
                connection.close()

    def _opened(self) -> Connection:
        if self._connection is not None and _was_heard_from(self._connection):
            self.close()  # the pool asks it whether it is there
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(**self._options)
        return self._connection


def _was_heard_from(connection: Connection) -> bool:
    """Whether a PostgreSQL server has written unasked: it has ended the connection, or tells news."""
    if connection.dialect.name != "postgresql":
        return False
    driven: Any = connection.connection.dbapi_connection
    if driven.closed:
        return True
    poll = select.poll()
    poll.register(driven.fileno(), select.POLLIN)
    return bool(poll.poll(0))
