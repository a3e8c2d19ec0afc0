"""Replace a SQLite store by a backup file; the old store is kept in the same folder.

All steps that can fail work on a copy under another name; then one rename replaces the store, so a crash at
any moment leaves the old store or the new one.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import inspect

from store.database.connect import open_store, sqlite_url
from store.database.migrate import state, upgrade
from store.database.sqlite_file import (
    connect,
    move_into_place,
    move_logs_aside,
    pending_logs,
    remove,
    require_intact,
    sibling,
)
from store.engine import Store
from store.errors import InvalidValue, Unavailable
from store.outbound.letters_queue import withhold_letters
from store.outbound.unconfirmed import doubt_queued
from store.schema.base import metadata
from store.upkeep.backup import inspect_copy

_UNFINISHED: Final = ".restoring"
_IN_USE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The restored store."""

    database: Path
    aside: Path | None  # the previous store; None if there was none
    revision: str
    rows: dict[str, int]
    unconfirmed: int  # messages that were queued or being sent, and may have been sent since
    letters_withheld: int  # letters that were pending, and may have been sent since


def restore(
    source: Path,
    database: Path,
    *,
    now: datetime,
    require_own: Callable[[Store], None] = lambda _store: None,
    hold_queued: bool = False,
) -> Restored:
    """Replace the store at *database* by *source*, upgraded to the newest revision.

    No process may use the store. *require_own* is given the copy before it takes the store's place, and raises where
    it must not. With *hold_queued*, outbound messages that were queued or being sent become ``unconfirmed``, and
    letters that were pending become ``failed``.

    Raises InvalidValue: *source* is not an intact Mailseal store, or of a later release. Raises Unavailable: the old
    store is open in a process, or a file cannot be written. After an error the old store is unchanged.
    """
    _require_file(source, database)
    unfinished = sibling(database, _UNFINISHED)
    remove(unfinished)  # left by a restore that was killed
    try:
        _copy(source, unfinished, like=database)
        held = _make_ready(unfinished, require_own, hold_at=now if hold_queued else None)
        found = inspect_copy(unfinished)
        aside = _put_in_place(unfinished, database, now)
    finally:
        remove(unfinished)
    return Restored(
        database=database,
        aside=aside,
        revision=found.revision,
        rows=found.rows,
        unconfirmed=held[0],
        letters_withheld=held[1],
    )


def _require_file(source: Path, database: Path) -> None:
    if not source.is_file():
        raise InvalidValue(f"there is no file {source}")
    if database.exists() and source.samefile(database):
        raise InvalidValue(f"{source} is the store itself")
    if log := pending_logs(source):
        raise InvalidValue(
            f"{log[0]} holds changes that are not in {source.name}: make the backup with `mailseal backup`"
        )


def _copy(source: Path, unfinished: Path, *, like: Path) -> None:
    """Copy *source* to a file with the store's owner and mode 0600."""
    try:
        owner = (like if like.exists() else like.parent).stat()
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with source.open("rb") as given, os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(given, copy)
            with suppress(PermissionError):  # only root can change the owner, and only root needs to
                os.fchown(copy.fileno(), owner.st_uid, owner.st_gid)
    except OSError as error:
        raise Unavailable(f"{like} cannot be written: {error.strerror}") from error


def _make_ready(unfinished: Path, require_own: Callable[[Store], None], *, hold_at: datetime | None) -> tuple[int, int]:
    """Upgrade the copy to the newest revision, and hold what may have been sent since: numbers of messages and letters.

    *hold_at* is the time of the restore; None holds nothing.

    Raises InvalidValue: no Mailseal store. Raises what *require_own* raises.
    """
    require_intact(unfinished)
    store = open_store(sqlite_url(unfinished))
    engine = store.engine
    try:
        found = state(engine)
        if found.is_newer:
            raise InvalidValue(
                f"revision {found.found} is of a later release: install that release and restore with it"
            )
        if found.found is None:
            raise InvalidValue("not a Mailseal store")
        upgrade(engine)
        if missing := metadata.tables.keys() - inspect(engine).get_table_names():
            raise InvalidValue(f"not a Mailseal store: table {min(missing)} is missing")
        require_own(store)
        held = (0, 0)
        if hold_at is not None:
            held = store.run(lambda tx: (doubt_queued(tx), withhold_letters(tx, now=hold_at)))
    finally:
        engine.dispose()
    require_intact(unfinished)
    return held


def _put_in_place(unfinished: Path, database: Path, now: datetime) -> Path | None:
    name = sibling(database, f".before-restore-{now:%Y%m%dT%H%M%SZ}")
    if not database.exists():
        move_logs_aside(database, name)
        move_into_place(unfinished, database)
        return None
    with _at_rest(database):
        try:
            os.link(database, name)
        except OSError as error:
            raise Unavailable(f"{database} cannot be kept as {name.name}: {error.strerror}") from error
        move_logs_aside(database, name)  # a damaged store may still have logs
        move_into_place(unfinished, database)
    return name


@contextmanager
def _at_rest(database: Path) -> Iterator[None]:
    """The old store with all changes in its one file, locked exclusively.

    Raises Unavailable: another process has it open.
    """
    with closing(connect(database)) as connection:
        try:
            # Fails while any other connection is open, and leaves no log.
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _IN_USE:
                raise Unavailable(f"{database} is open in another process: stop it first") from error
            mode = "damaged"  # a damaged store is set aside unchanged, with its log
        if mode not in {"delete", "damaged"}:
            raise Unavailable(f"{database} is open in another process: stop it first")
        yield
