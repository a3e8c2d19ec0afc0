"""How long PostgreSQL may take; apart from store/database/pg_connection.py, whose driver takes long to import."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

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
    limit, driven.answer_seconds = driven.answer_seconds, None
    try:
        yield
    finally:
        driven.answer_seconds = limit
