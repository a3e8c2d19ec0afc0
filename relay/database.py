"""Open the database that the settings name, at a revision that this program can work with."""

from relay.errors import Misconfigured
from relay.settings import Settings
from store.database import migrate
from store.database.connect import open_store
from store.engine import Store
from store.errors import InvalidValue, StoreError


def open_database(settings: Settings, *, may_migrate: bool | None = None) -> Store:
    """The store of the settings; its writer thread is not started yet.

    Brings SQLite to the newest revision; PostgreSQL only if *may_migrate* is true, as other processes
    share it. Raises Misconfigured, with what to do.
    """
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = open_store(settings.database)
        try:
            _bring_up_to_date(store, may_migrate=may_migrate)
        except Exception:
            store.engine.dispose()
            raise
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot create {settings.data_dir}: {error.strerror}") from error
    except InvalidValue as error:
        raise Misconfigured(f"MAILSEAL_DATABASE_URL: {error}") from error
    except StoreError as error:
        raise Misconfigured(f"the database cannot be used: {error}") from error
    return store


def _bring_up_to_date(store: Store, *, may_migrate: bool | None) -> None:
    state = migrate.state(store.engine)
    if state.is_current or state.is_newer:
        return
    if may_migrate or (may_migrate is None and store.engine.dialect.name == "sqlite"):
        migrate.upgrade(store.engine)
        return
    found = f"at revision {state.found}" if state.found else "empty"
    remedy = "run `mailseal migrate`, or `mailseal serve --migrate`"
    raise Misconfigured(f"the database is {found}, this program needs {state.wanted}: {remedy}")
