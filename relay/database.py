"""Open the store that the settings name, and only that one; make it where the operator asks for a new one.

A store that was there and is not is never taken for a new one, and a store is never used with a master key that is not
its own: such a relay would look healthy, and refuse or defer all mail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from relay.errors import Misconfigured
from relay.master_files import finish_rotation, read_master
from relay.settings import Settings, has_own_secret_file, make_master_secret
from relay.signing.master_check import adopt_master, has_check, is_master_of, needs_master
from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import database_file, open_store, place_of
from store.database.sqlite_file import move_logs_aside
from store.directory.users import has_users
from store.engine import Store
from store.errors import InvalidValue, Unusable

_INIT: Final = "run `mailseal init` to make one"


def open_database(settings: Settings, *, now: datetime, may_migrate: bool | None = None) -> Store:
    """The store of the settings; its threads are not started yet.

    Brings SQLite to the newest revision; PostgreSQL only if *may_migrate* is true, as other processes share it. Raises
    Misconfigured, with what to do: there is no store, it was moved, or it has another master key. Raises Unavailable:
    the database does not answer.
    """
    with _explained():
        _require_file(settings)
        _make_directory(settings)
        store = open_store(settings.database, answer_seconds=settings.database_answer_seconds)
        with _disposed_after_error(store):
            _bring_up_to_date(store, may_migrate=may_migrate)
            require_own_key(store, settings, now=now)
    return store


def make_database(settings: Settings, *, now: datetime, is_new: bool = False) -> Store:
    """The store of the settings, made where there is none, with its master key.

    Does nothing to a store that exists, except that it brings it to the newest revision. *is_new* makes an empty store
    for a master key whose own store is gone. Raises the same errors as open_database.
    """
    with _explained():
        _make_directory(settings)
        file = database_file(settings.database)
        if file is not None and not _is_there(file) and not is_new:
            _require_nothing_lost(file, settings)
        if file is not None and not _is_there(file):
            move_logs_aside(file, file.with_name(f"{file.name}.lost-{now:%Y%m%dT%H%M%SZ}"))
        store = open_store(settings.database, answer_seconds=settings.database_answer_seconds)
        with _disposed_after_error(store):
            _bring_up_to_date(store, may_migrate=True, may_make=True)
            if not _belongs_to_a_key(store):
                make_master_secret(settings)
            require_own_key(store, settings, now=now, may_make=True)
    return store


def require_store(settings: Settings) -> None:
    """Raise Misconfigured: the file of a SQLite store is missing or empty. Opens and makes nothing."""
    with _explained():
        _require_file(settings)


def require_own_key(store: Store, settings: Settings, *, now: datetime, may_make: bool = False) -> None:
    """Check that the master key of the settings is the one that *store* was made with.

    Writes the check value where it is missing; completes a rotation that was interrupted. Raises Misconfigured.
    """
    with store.snapshot() as tx:
        is_own, is_known = is_master_of(tx, master := read_master(settings)), has_check(tx)
    if not is_own and has_own_secret_file(settings):
        is_own = _finish_rotation(store, settings)
    elif is_own and not is_known:
        _require_rows(store, may_make=may_make)
        is_own = store.run(lambda tx: adopt_master(tx, master, now=now))
    if not is_own:
        place = place_of(store.engine.url)
        raise Misconfigured(
            f"{settings.secret_place} is not the master key of the store {place}: put back the key it was made with"
        )


def _require_rows(store: Store, *, may_make: bool) -> None:
    """Raise Misconfigured: the tables are there and all are empty, so this is no store, or one that lost its rows."""
    with store.snapshot() as tx:
        if may_make or needs_master(tx) or has_users(tx):
            return
    place = place_of(store.engine.url)
    raise Misconfigured(f"the database {place} has tables and no rows: restore a backup, or {_INIT}")


def _finish_rotation(store: Store, settings: Settings) -> bool:
    """Put the pending key of an interrupted rotation in place if it is the store's; whether it is."""

    def is_own(material: bytes) -> bool:
        with store.snapshot() as tx:
            return has_check(tx) and is_master_of(tx, master_key(material))

    return finish_rotation(Path(settings.secret_place), is_own=is_own)


def _belongs_to_a_key(store: Store) -> bool:
    with store.snapshot() as tx:
        return needs_master(tx)


def _require_file(settings: Settings) -> None:
    """Raise Misconfigured: the file of a SQLite store is missing or empty."""
    file = database_file(settings.database)
    if file is None or _is_there(file):
        return
    _require_nothing_lost(file, settings)
    raise Misconfigured(f"there is no store at {file.absolute()}: set MAILSEAL_DATA_DIR, use --config, or {_INIT}")


def _is_there(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False


def _require_nothing_lost(file: Path, settings: Settings) -> None:
    """Raise Misconfigured where the missing or empty *file* held a store once: its master key or its logs are there."""
    traces = [settings.data_dir / "secret.key", file.with_name(file.name + "-wal")]
    found = next((path for path in traces if path.exists()), file if file.exists() else None)
    if found is None:
        return
    is_empty = "is empty" if file.exists() else "is gone"
    evidence = "" if found == file else f", and {found.absolute()} is there"
    raise Misconfigured(
        f"the store {file.absolute()} {is_empty}{evidence}: mount its volume, or run `mailseal restore BACKUP`; "
        "`mailseal init --new` makes an empty one instead"
    )


def _make_directory(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot create {settings.data_dir}: {error.strerror}") from error


def _bring_up_to_date(store: Store, *, may_migrate: bool | None, may_make: bool = False) -> None:
    state = migrate.state(store.engine)
    if state.found is None and not may_make:
        raise Misconfigured(f"the database {place_of(store.engine.url)} holds no store: {_INIT}")
    if state.is_current or state.is_newer:
        return
    if may_migrate or (may_migrate is None and store.engine.dialect.name == "sqlite"):
        migrate.upgrade(store.engine)
        return
    remedy = "run `mailseal migrate`, or `mailseal serve --migrate`"
    raise Misconfigured(f"the database is at revision {state.found}, this program needs {state.wanted}: {remedy}")


@contextmanager
def _explained() -> Iterator[None]:
    """Name the setting in the errors that a person must mend."""
    try:
        yield
    except InvalidValue as error:
        raise Misconfigured(f"MAILSEAL_DATABASE_URL: {error}") from error
    except Unusable as error:
        raise Misconfigured(str(error)) from error


@contextmanager
def _disposed_after_error(store: Store) -> Iterator[None]:
    try:
        yield
    except BaseException:
        store.engine.dispose()
        raise
