"""Listen for commits of other processes and notify this process's waiters.

On PostgreSQL, NOTIFY carries the topics of each commit. SQLite has no NOTIFY, so one task per process polls the
file for all waiters: see store/database/sqlite_watcher.py.
"""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

import psycopg
from sqlalchemy import Engine

from store.database.connect import NOTIFY_CHANNEL
from store.database.pg_connection import connect
from store.database.pg_limits import ANSWER_SECONDS
from store.database.sqlite_watcher import SqliteWatcher
from store.engine import Store
from store.wake import Notifier

_RECONNECT_SECONDS: Final = 1.0
_STOP_CHECK_SECONDS: Final = 1.0  # interval at which a stop is noticed
_ASK_SECONDS: Final = 5.0  # without a notification for so long, the server is asked whether it is there


class CommitListener(Protocol):
    """Notifies local waiters of commits made by other processes."""

    def start(self) -> None:
        """Start on the running loop."""
        ...

    async def stop(self) -> None:
        """Stop and release the connection."""
        ...


def listener_for(store: Store) -> CommitListener:
    """The commit listener for the database of *store*; it feeds the store's notifier."""
    if store.engine.dialect.name == "postgresql":
        return PgListener(store.engine, store.notifier)
    return SqliteWatcher(store)


class PgListener:
    """A thread that runs LISTEN on its own connection and reconnects after a failure."""

    def __init__(self, engine: Engine, notifier: Notifier) -> None:
        url = engine.url.set(drivername="postgresql")
        self._dsn = url.render_as_string(hide_password=False)
        self._notifier = notifier
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen_on, name="store-listener", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; notifications go to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop listening; return when the thread has ended."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _listen_on(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen_until_cut()
            except psycopg.Error:
                # No wake-up is lost while disconnected: every waiter is woken after the reconnect.
                self._stopped.wait(_RECONNECT_SECONDS)

    def _listen_until_cut(self) -> None:
        """Raises psycopg.Error: the connection is gone, or the server does not answer."""
        with connect({"conninfo": self._dsn, "autocommit": True}, answer_seconds=ANSWER_SECONDS) as connection:
            connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
            self._on_loop(self._notifier.wake_all)
            heard = monotonic()
            while not self._stopped.is_set():
                topics = [notice.payload for notice in connection.notifies(timeout=_STOP_CHECK_SECONDS, stop_after=1)]
                if topics:
                    self._on_loop(self._notifier.notify, topics)
                elif monotonic() - heard < _ASK_SECONDS:
                    continue
                else:  # a connection that only listens does not notice that a proxy or firewall has dropped it
                    connection.execute("SELECT 1")
                heard = monotonic()

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)
