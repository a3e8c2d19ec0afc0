"""Open a store by its database URL, with the settings each database needs.

SQLite: write-ahead log, ``synchronous=FULL`` so that a commit is on disk, foreign keys on, and
``BEGIN IMMEDIATE`` for every writer, so that a transaction takes the write lock when it starts and never fails to
upgrade at its end. PostgreSQL: psycopg 3, a limit for each wait (store/database/pg_connection.py), and NOTIFY for
other processes on the same database.
"""

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from store.database.error_translation import as_sqlalchemy
from store.database.pg_limits import ANSWER_SECONDS
from store.database.present_file import PresentFile
from store.engine import BEGIN_OPTION, Store
from store.errors import InvalidValue
from store.transaction import Tx

BUSY_SECONDS: Final = 5
NOTIFY_CHANNEL: Final = "mailseal"
PASSWORDS: Final = ("password", "sslpassword")  # query parameters of a PostgreSQL URL that are never shown
_NOTIFY: Final = text(f"SELECT pg_notify('{NOTIFY_CHANNEL}', :topic)")
# Errors are logged, and parameters contain mail and secrets.
_HIDE_PARAMETERS: Final = {"hide_parameters": True}
_CACHED_STATEMENTS: Final = 256  # of a connection: an INSERT has ten sizes, see store/database/many_rows.py
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
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


def place_of(url: str | URL) -> str:
    """The database of *url* as shown to people: a file's path, or a server's URL with its password masked."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return str(Path(parsed.database or ":memory:").absolute())
    shown = parsed.set(drivername="postgresql").difference_update_query(PASSWORDS)
    return shown.render_as_string(hide_password=True)


def open_engine(url: str, *, answer_seconds: float | None = ANSWER_SECONDS) -> Engine:
    """An engine for *url*: ``sqlite:///file`` or ``postgresql://…``.

    *answer_seconds* is the limit for each answer of a PostgreSQL server, None for no limit; a SQLite file's lock is
    waited for as long, at most BUSY_SECONDS. Raises InvalidValue: another scheme, or not a URL.
    """
    parsed = _parsed(url)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _postgresql_engine(parsed, answer_seconds)
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_engine(parsed, min(answer_seconds or BUSY_SECONDS, BUSY_SECONDS))
    raise InvalidValue("a database URL starts with sqlite:/// or postgresql://")


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is not a number raises ValueError
        raise InvalidValue("not a database URL: write sqlite:///PATH or postgresql://USER@HOST/DATABASE") from error


def open_store(url: str, *, readers: int = 2, answer_seconds: float | None = ANSWER_SECONDS) -> Store:
    """A store on *url*, not started.

    Call Store.start, or use Store.run without a loop. Raises InvalidValue like open_engine.
    """
    engine = open_engine(url, answer_seconds=answer_seconds)
    announce = _announce if engine.dialect.name == "postgresql" else None
    file = database_file(url)
    require_present = PresentFile(file).require if file is not None else None
    return Store(engine, readers=readers, announce=announce, require_present=require_present)


def _postgresql_engine(url: URL, answer_seconds: float | None) -> Engine:
    from store.database.pg_connection import connect  # noqa: PLC0415 (a SQLite store needs no PostgreSQL driver)

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"), pool_size=8, max_overflow=4, pool_pre_ping=True, **_HIDE_PARAMETERS
    )

    def do_connect(_dialect: Any, _record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        assert not cargs
        return connect(cparams, answer_seconds=answer_seconds)

    event.listen(engine, "do_connect", do_connect)
    return engine


def _announce(tx: Tx) -> None:
    if tx.topics:
        tx.execute(_NOTIFY, [{"topic": topic} for topic in sorted(tx.topics)])


def _sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": busy_seconds, "cached_statements": _CACHED_STATEMENTS},
        **_HIDE_PARAMETERS,
    )
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
    if not begin:
        return
    driven: Any = connection.connection.dbapi_connection
    try:
        driven.execute(begin)  # not by SQLAlchemy: it opens each transaction
    except sqlite3.Error as error:
        raise as_sqlalchemy(connection, error) from error
