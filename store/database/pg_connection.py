"""PostgreSQL connections on which no wait is without an end.

The server ends statements and lock waits that take too long. A server that is frozen, or whose packets are lost,
ends none: so each wait for its answer has a deadline in this process too, and the connection is closed when it is over.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, Final, TypeVar

import psycopg

from store.database.pg_limits import APPLICATION_NAME, KEEPALIVE

T = TypeVar("T")

_SET: Final = "SELECT set_config('statement_timeout', %(most)s, false), set_config('lock_timeout', %(most)s, false)"


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time."""

    answer_seconds: float | None = None  # the longest wait for one answer; None for no limit

    def wait(self, gen: Generator[Any, Any, T], *more: Any, **options: Any) -> T:
        """Wait as psycopg does, up to the limit. Raises OperationalError: the server did not answer in time."""
        seconds = self.answer_seconds
        if seconds is None:
            return super().wait(gen, *more, **options)
        # Room for the server's own limit, which leaves the connection usable.
        return super().wait(self._bounded(gen, monotonic() + seconds + 1, seconds), *more, **options)

    def _bounded(self, gen: Generator[Any, Any, T], deadline: float, seconds: float) -> Generator[Any, Any, T]:
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server gave no answer within {seconds:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value


def connect(arguments: dict[str, Any], *, answer_seconds: float | None) -> TimedConnection:
    """A connection with a limit for each answer; the arguments override the keepalive settings.

    Raises psycopg.OperationalError: the server cannot be reached.
    """
    given = {**KEEPALIVE, "application_name": APPLICATION_NAME, **arguments}
    connection = TimedConnection.connect(**given)
    connection.answer_seconds = answer_seconds
    if answer_seconds is not None:
        set_server_limit(connection, answer_seconds)
    return connection


def set_server_limit(connection: "psycopg.Connection[Any]", seconds: float | None) -> None:
    """Set the server's limit for statements and lock waits of this connection; None for no limit."""
    connection.execute(_SET, {"most": "0" if seconds is None else f"{int(seconds * 1000)}ms"})
    connection.commit()
