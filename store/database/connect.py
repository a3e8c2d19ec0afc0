"""Opening a store by its URL: what each database needs to be told first.

SQLite: write-ahead log, ``synchronous=FULL`` so that a commit is on disk, foreign keys on, and
``BEGIN IMMEDIATE`` for every writer, so that a transaction never finds at its end that it may not
write. PostgreSQL: psycopg 3, and NOTIFY for the other processes on the same database.
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
# Errors end in the log, and values are mails and secrets.
_DISCREET: Final = {"hide_parameters": True}
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA wal_autocheckpoint=8000",  # pages: 32 MB of log, so that a busy page is copied back once and not ten times
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def database_file(url: str) -> Path | None:
    """The file of a SQLite store; None for PostgreSQL, and for one in memory. Raises InvalidValue."""
    parsed = _parsed(url)
    in_a_file = parsed.drivername in {"sqlite", "sqlite+pysqlite"} and parsed.database not in {None, "", ":memory:"}
    return Path(str(parsed.database)) if in_a_file else None


def open_engine(url: str) -> Engine:
    """An engine for *url*: ``sqlite:///file`` or ``postgresql://…``. Raises InvalidValue."""
    parsed = _parsed(url)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        url_for_psycopg = parsed.set(drivername="postgresql+psycopg")
        return create_engine(url_for_psycopg, pool_size=8, max_overflow=4, pool_pre_ping=True, **_DISCREET)
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_engine(parsed)
    raise InvalidValue("a database URL starts with sqlite:/// or postgresql://")


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise InvalidValue("not a database URL") from error


def open_store(url: str, *, readers: int = 2) -> Store:
    """A store on *url*, not yet started: see Store.start, or use Store.run straight away."""
    engine = open_engine(url)
    announce = _announce if engine.dialect.name == "postgresql" else None
    return Store(engine, readers=readers, announce=announce)


def _announce(tx: Tx) -> None:
    if tx.topics:
        tx.execute(_NOTIFY, [{"topic": topic} for topic in sorted(tx.topics)])


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS}, **_DISCREET)
    # Rows of a group in one statement: the driver gives the interpreter away once a statement, and
    # getting it back from a busy loop is what a row would cost most of its time.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, deferred and too late
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get(BEGIN_OPTION, "BEGIN IMMEDIATE")
    if begin:
        connection.exec_driver_sql(begin)
