"""SQLite database files: logs, integrity check, fsync and atomic replacement."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from store.database.connect import BUSY_SECONDS
from store.errors import InvalidValue, Unavailable

_LOGS: Final = ("-wal", "-journal")  # SQLite applies these to the file when it is next opened
_SIBLINGS: Final = (*_LOGS, "-shm")


def connect(file: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: it opens no transaction implicitly."""
    return sqlite3.connect(file, isolation_level=None, timeout=BUSY_SECONDS)


def pending_logs(file: Path) -> list[Path]:
    """The non-empty log files of *file*: they hold changes not yet in it."""
    return [path for rest in _LOGS if (path := sibling(file, rest)).exists() and path.stat().st_size]


def sibling(file: Path, rest: str) -> Path:
    """The path of *file* with *rest* appended to its name."""
    return file.with_name(file.name + rest)


def remove(file: Path) -> None:
    """Delete *file* and the log and index files that SQLite keeps for it."""
    for rest in ("", *_SIBLINGS):
        sibling(file, rest).unlink(missing_ok=True)


def move_logs_aside(file: Path, aside: Path) -> None:
    """Move the logs of *file* to the name of *aside*, so that no other content meets them.

    The logs are kept: they may hold changes of the old file. The shared-memory index is deleted.
    """
    for rest in _LOGS:
        if sibling(file, rest).exists():
            sibling(file, rest).rename(sibling(aside, rest))
    sibling(file, "-shm").unlink(missing_ok=True)


def require_intact(file: Path) -> None:
    """Check the integrity of a SQLite database; leaves no log of *file*.

    Raises InvalidValue: damaged, a broken foreign key, or not a SQLite database.
    """
    try:
        with closing(connect(file)) as connection:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise InvalidValue(f"not an intact Mailseal store: {damage}")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise InvalidValue("not an intact Mailseal store: a row refers to one that does not exist")
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise InvalidValue(f"not an intact Mailseal store: {error}") from error


def sync(path: Path) -> None:
    """Flush a file (fsync), or the entries of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(unfinished: Path, file: Path) -> None:
    """Rename *unfinished* to *file* durably. Raises Unavailable: it cannot be written."""
    try:
        sync(unfinished)
        unfinished.replace(file)
        sync(file.parent)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
