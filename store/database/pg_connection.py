"""PostgreSQL connections on which no wait is without an end.

The server ends statements and lock waits that take too long. A server that is frozen, or whose packets are lost,
ends none: so each wait for its answer has a deadline in this process too, and the connection is closed when it is over.

The other way round, a process that is frozen, or whose machine is gone, holds the locks of its transaction until the
server ends it: the server does that when a transaction is idle for too long, or its client does not answer TCP.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, Final, TypeVar

import psycopg

from store.database.pg_limits import APPLICATION_NAME, HAS_TRANSACTION_LIMIT, KEEPALIVE, LOCK_SHARE, TRANSACTION_SHARE

T = TypeVar("T")

_SET: Final = (
    "SELECT set_config('statement_timeout', %(most)s, false), set_config('lock_timeout', %(share)s, false),"
    " set_config('idle_in_transaction_session_timeout', %(share)s, false)"
)
_SET_WHOLE: Final = "SELECT set_config('transaction_timeout', %(whole)s, false)"
# The server's side of KEEPALIVE; it has no effect on a Unix socket.
_SET_ALIVE: Final = (
    f"SELECT set_config('tcp_keepalives_idle', '{KEEPALIVE['keepalives_idle']}', false),"
    f" set_config('tcp_keepalives_interval', '{KEEPALIVE['keepalives_interval']}', false),"
    f" set_config('tcp_keepalives_count', '{KEEPALIVE['keepalives_count']}', false),"
    f" set_config('tcp_user_timeout', '{KEEPALIVE['tcp_user_timeout']}', false)"
)


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
        connection.execute(_SET_ALIVE)
        set_server_limit(connection, answer_seconds)
    return connection


def set_server_limit(connection: "psycopg.Connection[Any]", seconds: float | None) -> None:
    """Set the server's limits for this connection; None for no limits.

    A statement may take *seconds*; a wait for a lock, and a transaction's wait for its client, LOCK_SHARE of it; a
    whole transaction, where the server can limit it, TRANSACTION_SHARE.
    """
    limits = {"most": _milliseconds(seconds), "share": _milliseconds(seconds and seconds * LOCK_SHARE)}
    connection.execute(_SET, limits)
    if connection.info.server_version >= HAS_TRANSACTION_LIMIT:
        connection.execute(_SET_WHOLE, {"whole": _milliseconds(seconds and seconds * TRANSACTION_SHARE)})
    connection.commit()


def _milliseconds(seconds: float | None) -> str:
    return "0" if seconds is None else f"{int(seconds * 1000)}ms"
