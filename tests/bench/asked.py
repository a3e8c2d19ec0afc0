"""A real daemon whose API is asked as fast as it answers, and its store before it starts."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from relay.clock import SystemClock
from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import open_store, sqlite_url
from store.engine import Store
from tests.daemon_process import DaemonProcess
from tests.places import Places

T = TypeVar("T")

_SECRET: Final = "a master key for the bench alone"


@contextmanager
def furnished(url: str) -> Iterator[tuple[Store, Places]]:
    """The migrated store at *url*, to put something into."""
    store = open_store(url)
    migrate.upgrade(store.engine)
    yield store, Places(SystemClock(), master_key(_SECRET.encode()))
    store.engine.dispose()


@contextmanager
def asked(url: str | None, fill: Callable[[str], T], **more: str) -> Iterator[tuple[DaemonProcess, T]]:
    """A daemon without bounds on requests over what *fill* makes, and what it answered; in a file without a *url*."""
    with tempfile.TemporaryDirectory() as folder:
        database = url or sqlite_url(Path(folder) / "mailseal.db")
        found = fill(database)
        settings = {
            "MAILSEAL_DATA_DIR": folder,
            "MAILSEAL_DATABASE_URL": database,
            "MAILSEAL_SECRET_KEY": _SECRET,
            "MAILSEAL_HOSTNAME": "mx.bench.example",
            "MAILSEAL_API_RATE_PER_KEY": "0",
            "MAILSEAL_API_RATE_PER_USER": "0",
        }
        with DaemonProcess(settings | more) as daemon:
            yield daemon, found
