"""Other processes' commits, brought to this process's bell.

PostgreSQL tells by NOTIFY which topics a commit was about. SQLite tells nobody anything, so it is
looked at there, in one place for everybody who waits: see store/database/sqlite_watcher.py.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

import psycopg
from sqlalchemy import Engine

from store.database.connect import NOTIFY_CHANNEL
from store.database.sqlite_watcher import SqliteWatcher
from store.engine import Store
from store.wake import Notifier

_RECONNECT_SECONDS: Final = 1.0
_LOOK_UP_SECONDS: Final = 1.0  # how soon a stop is noticed
# A line that was cut without a word is noticed by these: a listener has nothing to say by itself.
_ALIVE: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class CommitListener(Protocol):
    """Whatever rings a bell here for what was committed elsewhere."""

    def start(self) -> None:
        """Begin, on the running loop."""
        ...

    async def stop(self) -> None:
        """Stop."""
        ...


def listener_for(store: Store) -> CommitListener:
    """What hears of other processes' commits to the database of *store*, and rings its bell."""
    if store.engine.dialect.name == "postgresql":
        return PgListener(store.engine, store.notifier)
    return SqliteWatcher(store)


class PgListener:
    """A thread that listens on a connection of its own, and connects again when it is cut."""

    def __init__(self, engine: Engine, notifier: Notifier) -> None:
        url = engine.url.set(drivername="postgresql")
        self._dsn = url.render_as_string(hide_password=False)
        self._notifier = notifier
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen_on, name="store-listener", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to ring the bell on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop listening."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _listen_on(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen_until_cut()
            except psycopg.Error:
                # Nothing is lost while we are deaf: whoever waits is woken when we hear again.
                self._stopped.wait(_RECONNECT_SECONDS)

    def _listen_until_cut(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True, **_ALIVE) as connection:
            connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self._on_loop(self._notifier.wake_all)
            while not self._stopped.is_set():
                topics = [notice.payload for notice in connection.notifies(timeout=_LOOK_UP_SECONDS, stop_after=1)]
                if topics:
                    self._on_loop(self._notifier.notify, topics)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)
