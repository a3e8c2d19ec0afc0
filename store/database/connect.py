"""Open a store by its database URL, with the settings each database needs.

SQLite: write-ahead log, ``synchronous=FULL`` so that a commit is on disk, foreign keys on, and
``BEGIN IMMEDIATE`` for every writer, so that a transaction takes the write lock when it starts and never fails to
upgrade at its end. PostgreSQL: psycopg 3, and NOTIFY for other processes on the same database.
"""

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from store.engine import BEGIN_OPTION, Store
from store.errors import InvalidValue
from store.transaction import Tx

BUSY_SECONDS: Final = 5
NOTIFY_CHANNEL: Final = "mailseal"
_NOTIFY: Final = text(f"SELECT pg_notify('{NOTIFY_CHANNEL}', :topic)")
# Errors are logged, and parameters contain mail and secrets.
_HIDE_PARAMETERS: Final = {"hide_parameters": True}
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA wal_autocheckpoint=8000",  # pages, 32 MB of log: a page changed often is copied back once, not ten times
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)


def sqlite_url(path: Path) -> str:
    """The database URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def database_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for PostgreSQL and in-memory databases.

    Raises InvalidValue: not a database URL.
    """
    parsed = _parsed(url)
    in_a_file = parsed.drivername in {"sqlite", "sqlite+pysqlite"} and parsed.database not in {None, "", ":memory:"}
    return Path(str(parsed.database)) if in_a_file else None


def open_engine(url: str) -> Engine:
    """An engine for *url*: ``sqlite:///file`` or ``postgresql://…``.

    Raises InvalidValue: another scheme, or not a URL.
    """
    parsed = _parsed(url)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        url_for_psycopg = parsed.set(drivername="postgresql+psycopg")
        return create_engine(url_for_psycopg, pool_size=8, max_overflow=4, pool_pre_ping=True, **_HIDE_PARAMETERS)
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_engine(parsed)
    raise InvalidValue("a database URL starts with sqlite:/// or postgresql://")


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is not a number raises ValueError
        raise InvalidValue("not a database URL: write sqlite:///PATH or postgresql://USER@HOST/DATABASE") from error


def open_store(url: str, *, readers: int = 2) -> Store:
    """A store on *url*, not started.

    Call Store.start, or use Store.run without a loop. Raises InvalidValue like open_engine.
    """
    engine = open_engine(url)
    announce = _announce if engine.dialect.name == "postgresql" else None
    return Store(engine, readers=readers, announce=announce)


def _announce(tx: Tx) -> None:
    if tx.topics:
        tx.execute(_NOTIFY, [{"topic": topic} for topic in sorted(tx.topics)])


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS}, **_HIDE_PARAMETERS)
    # All rows of a group in one statement: the driver releases the GIL once per statement, and reacquiring it
    # from a busy loop would dominate the cost of a row.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # else the driver itself would BEGIN, deferred, and take the lock too late
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get(BEGIN_OPTION, "BEGIN IMMEDIATE")
    if begin:
        connection.exec_driver_sql(begin)
