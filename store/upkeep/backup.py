"""Online backup of a SQLite store to another file, while it is in use.

SQLite's online backup runs inside a read transaction: in write-ahead mode that blocks no writer, and writes
meanwhile do not restart it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from tempfile import mkstemp
from typing import Final

from sqlalchemy import URL, make_url

from store.database.connect import PASSWORDS
from store.database.migrate import UNFINISHED
from store.database.sqlite_file import connect, move_into_place, pending_logs, remove, require_intact
from store.errors import FileExists, InvalidValue, Unavailable
from store.facts import LAST_BACKUP

_COUNTED: Final = ("users", "agents", "messages")
_HAS_TABLE: Final = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
_STEP: Final = 1024  # pages per step; between two steps the copy can be interrupted
_NO_DATABASE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup file contains."""

    file: Path
    size: int  # bytes
    revision: str
    rows: dict[str, int]  # row counts of the main tables


def back_up(database: Path, target: Path, *, overwrite: bool = False) -> Backup:
    """Copy the SQLite store at *database* to *target*; works while it is in use.

    The copy is checked before it gets the name *target*. Raises FileExists: *target* exists, is the store, or has logs
    of another file. Raises InvalidValue: not a Mailseal store. Raises Unavailable: it cannot be read or written.
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


def remember_backup(database: Path, *, now: datetime) -> None:
    """Write into the store at *database* that it was backed up *now*, for the daemon's metrics.

    A store of an older revision has no place for it, and a locked one goes without.
    """
    at = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    with suppress(sqlite3.Error), closing(connect(database)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO store_facts VALUES (?, '', ?)", (LAST_BACKUP, at))


def inspect_copy(file: Path) -> Backup:
    """Revision and row counts of a store file.

    Raises InvalidValue: not a Mailseal store, or an unfinished copy.
    """
    try:
        with closing(connect(file)) as connection:
            if connection.execute(_HAS_TABLE, (UNFINISHED,)).fetchone():
                raise InvalidValue("the file holds an unfinished copy: run `mailseal migrate-to` again")
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED}  # noqa: S608 (constant names)
    except (sqlite3.Error, TypeError) as error:  # no such table, or no row
        raise InvalidValue("not a Mailseal store") from error
    return Backup(file=file, size=file.stat().st_size, revision=revision, rows=rows)


def dump_command(url: str, file: Path) -> str:
    """The pg_dump command that backs up the store at *url*, without its password."""
    return f"pg_dump --format=custom --file={quote(str(file))} --dbname={quote(_without_password(url))}"


def restore_command(url: str, file: Path) -> str:
    """The pg_restore command that replaces the store at *url* by such a backup.

    Every daemon must be stopped first. The password is left out.
    """
    options = "--clean --if-exists --single-transaction"
    return f"pg_restore {options} --dbname={quote(_without_password(url))} {quote(str(file))}"


def _without_password(url: str) -> str:
    parsed = make_url(url).difference_update_query(PASSWORDS)
    bare = URL.create("postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query)
    return bare.render_as_string()


def _require_free(target: Path, database: Path, *, overwrite: bool) -> None:
    """Raise FileExists where a copy would destroy a file."""
    if target.exists() and not (overwrite and target.is_file()):
        raise FileExists(f"{target} exists already: choose another name, or pass --force")
    if target.exists() and target.samefile(database):
        raise FileExists(f"{target} is the store itself")
    if log := pending_logs(target):
        raise FileExists(f"{log[0]} belongs to another {target.name} and would be applied to the new one: move it away")


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
    """A temporary file in the folder of *target*, readable by its owner only.

    Deleted at the end unless it was moved into place.
    """
    try:
        descriptor, name = mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".unfinished")
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}") from error
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        remove(Path(name))
