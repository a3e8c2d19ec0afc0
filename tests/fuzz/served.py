"""A relay's HTTP door in a thread of its own, for clients that block."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import open_store, sqlite_url
from tests.fakes import FakeClock
from tests.places import Places
from tests.web.client import ApiServer
from tests.web.world import furnish


class Served:
    """An open door, and a user with one of everything behind it."""

    def __init__(self, api_server: ApiServer, loop: asyncio.AbstractEventLoop) -> None:
        self.api_server = api_server
        self._loop = loop
        host, port = api_server.server.addresses[0]
        self.url = f"http://{host}:{port}"
        self._worlds = 0
        self.is_whole = False  # nothing of it was deleted
        self.known: dict[str, str] = {}  # by the name of a path's parameter: something that is there

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have the door's loop do it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def restore(self) -> None:
        """Make whatever was deleted anew."""
        if not self.is_whole:
            self.wait(self._restore())
            self.is_whole = True

    async def _restore(self) -> None:
        """A world of its own each time: what is left of the last one does no harm."""
        self._worlds += 1
        owner, domain = f"user{self._worlds}@owner.example", f"agents{self._worlds}.example"
        self.known = await furnish(self.api_server, owner=owner, domain=domain)
        self.api_server.key = self.known["key"]


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A door over a fresh SQLite store in *folder*."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    api_server = asyncio.run_coroutine_threadsafe(_opened(folder), loop).result(60)
    try:
        yield Served(api_server, loop)
    finally:
        asyncio.run_coroutine_threadsafe(_closed(api_server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _opened(folder: Path) -> ApiServer:
    store = open_store(sqlite_url(folder / "mailseal.db"))
    migrate.upgrade(store.engine)
    store.start()
    clock = FakeClock()
    api_server = ApiServer(store, clock, Places(clock, master_key(b"a master key for tests only")))
    await api_server.open()
    return api_server


async def _closed(api_server: ApiServer) -> None:
    await api_server.close()
    await api_server.store.stop()
