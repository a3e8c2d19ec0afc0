"""PostgreSQL connections on which no wait is without an end.

The server ends statements and lock waits that take too long. A server that is frozen, or whose packets are lost,
ends none: so each wait for its answer has a deadline in this process too, and the connection is closed when it is over.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

T = TypeVar("T")

APPLICATION_NAME: Final = "mailseal"
CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 10.0  # a refused mail is answered 451 within 20 s: connect, answer, and room
# TCP detects a connection whose other end is gone, also while this process only waits.
KEEPALIVE: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SET: Final = "SELECT set_config('statement_timeout', %(most)s, false), set_config('lock_timeout', %(most)s, false)"


@dataclass(slots=True)
class _Limit:
    """The longest wait for one answer of the server; None for no limit."""

    seconds: float | None


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time."""

    limit: _Limit = _Limit(None)

    def wait(self, gen: Generator[Any, Any, T], *more: Any, **options: Any) -> T:
        """Wait as psycopg does, up to the limit. Raises OperationalError: the server did not answer in time."""
        seconds = self.limit.seconds
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
    connection.limit = _Limit(answer_seconds)
    if answer_seconds is not None:
        set_server_limit(connection, answer_seconds)
    return connection


def set_server_limit(connection: "psycopg.Connection[Any]", seconds: float | None) -> None:
    """Set the server's limit for statements and lock waits of this connection; None for no limit."""
    connection.execute(_SET, {"most": "0" if seconds is None else f"{int(seconds * 1000)}ms"})
    connection.commit()


@contextmanager
def without_limit(connection: "Connection") -> "Iterator[None]":
    """Let statements of this connection's transaction take any time: migrations, and copies of a whole store.

    Does nothing on SQLite. On PostgreSQL the server's limits return with the end of the transaction.
    """
    driven = connection.connection.dbapi_connection
    if not isinstance(driven, TimedConnection):
        yield
        return
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    limit, driven.limit = driven.limit, _Limit(None)
    try:
        yield
    finally:
        driven.limit = limit
