"""PostgreSQL's NOTIFY, brought to this process's bell: a commit elsewhere wakes who waits here."""

import asyncio
import threading
from typing import Final

import psycopg
from sqlalchemy import Engine

from store.connect import NOTIFY_CHANNEL
from store.wake import Bell

_RECONNECT_SECONDS: Final = 2.0
_LOOK_UP_SECONDS: Final = 1.0  # how soon a stop is noticed


class Listener:
    """A thread that listens on a connection of its own, and connects again when it is cut."""

    def __init__(self, engine: Engine, bell: Bell) -> None:
        url = engine.url.set(drivername="postgresql")
        self._dsn = url.render_as_string(hide_password=False)
        self._bell = bell
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
                # Nothing is lost while we are deaf: waiters look at the rows again by themselves.
                self._stopped.wait(_RECONNECT_SECONDS)

    def _listen_until_cut(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
            while not self._stopped.is_set():
                topics = [notice.payload for notice in connection.notifies(timeout=_LOOK_UP_SECONDS, stop_after=1)]
                if topics and self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._bell.ring, topics)
