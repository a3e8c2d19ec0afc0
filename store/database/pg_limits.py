"""How long PostgreSQL may take; apart from store/database/pg_connection.py, whose driver takes long to import."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

APPLICATION_NAME: Final = "mailseal"
CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 10.0  # a refused mail is answered 451 within 20 s: connect, answer, and room
# The part of it after which a wait for a lock ends, and a transaction whose process is silent loses its locks. Locks
# are held for milliseconds: one that lasts is of a process that is frozen or was cut off, and there may be several.
LOCK_SHARE: Final = 0.3
# How many times ANSWER_SECONDS a transaction may take. PostgreSQL counts no time as idle while it waits for the rest of
# commands that a client sends in a pipeline; from release 17 on it has a limit for the whole transaction.
TRANSACTION_SHARE: Final = 2.0
HAS_TRANSACTION_LIMIT: Final = 17_00_00
_LEAST_LOCK_WAIT_MS: Final = 20
# TCP detects a connection whose other end is gone, also while this process only waits.
KEEPALIVE: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


@contextmanager
def without_limit(connection: Connection) -> Iterator[None]:
    """Let statements of this connection's transaction take any time: migrations change large tables.

    Does nothing on SQLite. On PostgreSQL the server's limits return with the end of the transaction.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driven: Any = connection.connection.dbapi_connection
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    allow_idle(connection)
    limit, driven.answer_seconds = driven.answer_seconds, None
    try:
        yield
    finally:
        driven.answer_seconds = limit


def share_lock_wait(connection: Connection, units: int) -> None:
    """Let *units* that run one after the other in this transaction wait for locks no longer than one may alone.

    Does nothing on SQLite.
    """
    if connection.dialect.name != "postgresql":
        return
    driven: Any = connection.connection.dbapi_connection
    if driven.answer_seconds is not None:
        wait = max(_LEAST_LOCK_WAIT_MS, int(driven.answer_seconds * LOCK_SHARE * 1000 / units))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")


def allow_idle(connection: Connection) -> None:
    """Let this transaction wait for its client between two statements: it reads only, or the client computes long.

    Does nothing on SQLite.
    """
    if connection.dialect.name != "postgresql":
        return
    driven: Any = connection.connection.dbapi_connection
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    if driven.info.server_version >= HAS_TRANSACTION_LIMIT:
        connection.exec_driver_sql("SET LOCAL transaction_timeout = 0")
