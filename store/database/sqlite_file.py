"""A SQLite store as one file: what lies beside it, whether it is whole, and making sure that it is on disk."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from store.database.connect import BUSY_SECONDS
from store.errors import InvalidValue, Unavailable

_LOGS: Final = ("-wal", "-journal")  # what SQLite would play into the file when it is opened next
_BESIDE: Final = (*_LOGS, "-shm")


def connect(file: Path) -> sqlite3.Connection:
    """A connection that begins no transaction by itself."""
    return sqlite3.connect(file, isolation_level=None, timeout=BUSY_SECONDS)


def pending_logs(file: Path) -> list[Path]:
    """What of *file* is not in it yet."""
    return [path for rest in _LOGS if (path := sibling(file, rest)).exists() and path.stat().st_size]


def sibling(file: Path, rest: str) -> Path:
    """The name of *file* with more at its end."""
    return file.with_name(file.name + rest)


def remove(file: Path) -> None:
    """Remove *file* with all that SQLite keeps beside it."""
    for rest in ("", *_BESIDE):
        sibling(file, rest).unlink(missing_ok=True)


def move_logs_aside(file: Path, aside: Path) -> None:
    """Leave nothing beside *file* that another content of it would meet, without losing what can be needed."""
    for rest in _LOGS:
        if sibling(file, rest).exists():
            sibling(file, rest).rename(sibling(aside, rest))
    sibling(file, "-shm").unlink(missing_ok=True)


def require_intact(file: Path) -> None:
    """Raises InvalidValue for what is damaged, or no SQLite database at all; leaves nothing beside *file*."""
    try:
        with closing(connect(file)) as connection:
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise InvalidValue(f"not a whole Mailseal store: {damage}")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise InvalidValue("not a whole Mailseal store: a row points to one that is not there")
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise InvalidValue(f"not a whole Mailseal store: {error}") from error


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(unfinished: Path, file: Path) -> None:
    """Give *unfinished* the name of *file*, for good. Raises Unavailable."""
    try:
        sync(unfinished)
        unfinished.replace(file)
        sync(file.parent)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
