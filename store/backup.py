"""A whole SQLite store as one file, and one file as the whole store.

The copy is made by SQLite's own online backup in a single step: a reader's transaction, which in
write-ahead mode keeps no writer waiting, and a snapshot that no write meanwhile disturbs. Putting a
copy in place is one rename, so a crash at any moment leaves the old store or the new one.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Final

from sqlalchemy import URL, make_url

from store.connect import open_engine, sqlite_url
from store.errors import Conflict, InvalidValue, Unavailable
from store.migrate import state

_COUNTED: Final = ("users", "agents", "messages")
_FILE_MODE: Final = 0o600


class FileExists(Conflict):
    """There is a file of this name already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a copy holds."""

    file: Path
    size: int  # bytes
    revision: str
    rows: dict[str, int]  # of the tables an owner would look for


def back_up(database: Path, target: Path, *, overwrite: bool = False) -> Backup:
    """Copy the SQLite store at *database* to *target*, whether or not it is in use; checked before it has its name.

    Raises FileExists, InvalidValue for what is no store of ours, Unavailable when it cannot be read or written.
    """
    if target.exists() and not overwrite:
        raise FileExists(f"{target} exists already")
    with _under_another_name(target) as unfinished:
        _copy(database, unfinished)
        found = inspect(unfinished)
        _into_place(unfinished, target)
    return Backup(file=target, size=target.stat().st_size, revision=found.revision, rows=found.rows)


def restore(source: Path, database: Path, *, now: datetime) -> Path | None:
    """Put a copy of *source* in the place of the store at *database*, which nobody may be using.

    Answers where the store that was there is now, None where there was none. Raises InvalidValue for what is
    no whole store of ours, or one of a later release; then nothing has changed.
    """
    with _under_another_name(database) as unfinished:
        _copy(source, unfinished)
        inspect(unfinished)
        aside = _set_aside(database, now=now)
        _into_place(unfinished, database)
    return aside


def dump_command(url: str, file: Path) -> str:
    """How a PostgreSQL store at *url* is backed up by PostgreSQL's own program; without the password."""
    return f"pg_dump --format=custom --file={quote(str(file))} --dbname={quote(_without_password(url))}"


def restore_command(url: str, file: Path) -> str:
    """How such a backup is put in the place of the store at *url*, with every daemon stopped."""
    options = "--clean --if-exists --single-transaction"
    return f"pg_restore {options} --dbname={quote(_without_password(url))} {quote(str(file))}"


def _without_password(url: str) -> str:
    of = make_url(url)
    bare = URL.create("postgresql", of.username, None, of.host, of.port, of.database, of.query)
    return bare.render_as_string()


def inspect(file: Path) -> Backup:
    """Look through a copy. Raises InvalidValue when it is damaged, no store of ours, or of a later release."""
    try:
        with closing(_open(file)) as connection:
            _check(connection, "PRAGMA quick_check", good=[("ok",)])
            _check(connection, "PRAGMA foreign_key_check", good=[])
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            rows = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED}  # noqa: S608 (names of ours)
            # Of a file by itself: one in write-ahead mode could leave a part of it beside.
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise InvalidValue(f"not a whole Mailseal store: {error}") from error
    if _is_newer(file):
        raise InvalidValue(f"revision {revision} is of a later release than this program")
    return Backup(file=file, size=file.stat().st_size, revision=revision, rows=rows)


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise InvalidValue(f"there is no file {source}")
    try:
        target.touch(mode=_FILE_MODE)
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        with closing(reading) as whole, closing(sqlite3.connect(target)) as copy:
            whole.backup(copy)
    except sqlite3.DatabaseError as error:
        raise InvalidValue(f"{source} cannot be copied: {error}") from error
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}") from error


def _is_newer(file: Path) -> bool:
    engine = open_engine(sqlite_url(file))
    try:
        return state(engine).is_newer
    finally:
        engine.dispose()
        with closing(_open(file)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")


def _set_aside(database: Path, *, now: datetime) -> Path | None:
    """Give the store that is there a second name, with all of it in the one file."""
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    with suppress(sqlite3.Error), closing(_open(database)) as connection:  # damaged ones are restored over too
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.link(database, aside)
    # Nothing of the old one's log may be played into the new file.
    for rest in ("-wal", "-shm"):
        leftover = database.with_name(database.name + rest)
        if leftover.exists():
            leftover.rename(aside.with_name(aside.name + rest))
    return aside


@contextmanager
def _under_another_name(target: Path) -> Iterator[Path]:
    """A file beside *target* to be made; gone at the end unless it was put in place."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
    finally:
        for rest in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + rest).unlink(missing_ok=True)


def _into_place(unfinished: Path, target: Path) -> None:
    _sync(unfinished)
    unfinished.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None)


def _check(connection: sqlite3.Connection, question: str, *, good: list[tuple[str]]) -> None:
    found = connection.execute(question).fetchmany(3)
    if found != good:
        raise InvalidValue(f"the file is damaged: {found[0]}")
