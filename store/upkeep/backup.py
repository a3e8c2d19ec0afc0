"""A SQLite store kept in another file while it is in use.

The copy is made by SQLite's own online backup over a reader's transaction: in write-ahead mode that
keeps no writer waiting, and no write meanwhile makes it begin anew.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import mkstemp
from typing import Final

from sqlalchemy import URL, make_url

from store.database.migrate import UNFINISHED
from store.database.sqlite_file import connect, move_into_place, pending_logs, remove, require_intact
from store.errors import FileExists, InvalidValue, Unavailable

_COUNTED: Final = ("users", "agents", "messages")
_HAS_TABLE: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
_STEP: Final = 1024  # pages, between two looks at whether somebody wants to stop
_NO_DATABASE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
_PASSWORDS: Final = ("password", "sslpassword")


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
    if not database.is_file():
        raise InvalidValue(f"there is no store at {database}")
    _require_free(target, database, overwrite=overwrite)
    with _under_another_name(target) as unfinished:
        _copy(database, unfinished)
        require_intact(unfinished)
        found = inspect_copy(unfinished)
        move_into_place(unfinished, target)
    return Backup(file=target, size=target.stat().st_size, revision=found.revision, rows=found.rows)


def inspect_copy(file: Path) -> Backup:
    """What a copy holds. Raises InvalidValue when it is no store of ours, or only half of one."""
    try:
        with closing(connect(file)) as connection:
            if connection.execute(_HAS_TABLE, (UNFINISHED,)).fetchone():
                raise InvalidValue("it holds an unfinished copy: run `mailseal migrate-to` again")
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED}  # noqa: S608 (names of ours)
    except (sqlite3.Error, TypeError) as error:  # no such table, or no row
        raise InvalidValue("not a Mailseal store") from error
    return Backup(file=file, size=file.stat().st_size, revision=revision, rows=rows)


def dump_command(url: str, file: Path) -> str:
    """How a PostgreSQL store at *url* is backed up by PostgreSQL's own program; without the password."""
    return f"pg_dump --format=custom --file={quote(str(file))} --dbname={quote(_without_password(url))}"


def restore_command(url: str, file: Path) -> str:
    """How such a backup is put in the place of the store at *url*, with every daemon stopped."""
    options = "--clean --if-exists --single-transaction"
    return f"pg_restore {options} --dbname={quote(_without_password(url))} {quote(str(file))}"


def _without_password(url: str) -> str:
    parsed = make_url(url).difference_update_query(_PASSWORDS)
    bare = URL.create("postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query)
    return bare.render_as_string()


def _require_free(target: Path, database: Path, *, overwrite: bool) -> None:
    """Raises FileExists where a copy would destroy something."""
    if target.exists() and not (overwrite and target.is_file()):
        raise FileExists(f"{target} exists already")
    if target.exists() and target.samefile(database):
        raise FileExists(f"{target} is the store itself")
    if log := pending_logs(target):
        raise FileExists(f"{log[0]} belongs to another {target.name}, and would be played into the new one")


def _copy(database: Path, unfinished: Path) -> None:
    try:
        with closing(connect(database)) as whole, closing(connect(unfinished)) as copy:
            whole.execute("BEGIN")
            whole.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the snapshot begins here
            whole.backup(copy, pages=_STEP)
    except sqlite3.Error as error:
        kind = InvalidValue if error.sqlite_errorcode & 0xFF in _NO_DATABASE else Unavailable
        raise kind(f"{database} cannot be copied: {error}") from error


@contextmanager
def _under_another_name(target: Path) -> Iterator[Path]:
    """A file beside *target* that only its owner can read; gone at the end unless it was put in place."""
    try:
        descriptor, name = mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".unfinished")
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}") from error
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        remove(Path(name))
