"""One relay under faults: its database, daemons, peers and clients."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from relay.clock import SystemClock
from relay.database import make_database
from store.database.connect import sqlite_url
from tests.faults.disk import Disk
from tests.faults.endpoint import Endpoint
from tests.faults.forked import ForkedDaemon
from tests.faults.ledger import Ledger
from tests.faults.places import BOT, HOOK, WRITER, Places
from tests.faults.provider import Provider
from tests.faults.proxy import Network
from tests.faults.stored import StoredFacts
from tests.faults.traffic import Traffic
from tests.journeys.home import Home
from tests.postgres_server import PrivateServer

SETTINGS = {
    "MAILSEAL_WEBHOOK_RETRY_SECONDS": ",".join(["0.2"] * 50),
    "MAILSEAL_WEBHOOK_TIMEOUT_SECONDS": "1",
    "MAILSEAL_HITL_SWEEP_SECONDS": "1",
    "MAILSEAL_MIN_FREE_BYTES": "1000000",
    "MAILSEAL_SMTP_CONNECTIONS_PER_MINUTE": "0",
    "MAILSEAL_SMTP_LOG_LINES_PER_PEER": "0",
    "MAILSEAL_API_RATE_PER_KEY": "0",
    "MAILSEAL_API_RATE_PER_USER": "0",
    "MAILSEAL_OUTBOUND_SENDS_PER_HOUR": "0",
    "MAILSEAL_OUTBOUND_NEW_RECIPIENTS_PER_DAY": "0",
    "MAILSEAL_OUTBOUND_USER_SENDS_PER_HOUR": "0",
    "MAILSEAL_OUTBOUND_USER_NEW_RECIPIENTS_PER_DAY": "0",
}

_GIVEN_UP_SECONDS = 300.0  # for a daemon to be ready again; a run ends also on a machine that is busy with others


@dataclass
class World:
    """All parts of one run."""

    places: Places
    ledger: Ledger
    dice: Random
    facts: StoredFacts
    traffic: Traffic
    folder: Path  # of the SQLite file
    armed: Path  # the file that names the inner step, see tests/faults/steps.py
    disk: Disk | None = None
    server: PrivateServer | None = None
    network: Network | None = None

    @property
    def daemons(self) -> list[ForkedDaemon]:
        return self.places.daemons

    async def recover(self) -> None:
        """Start the daemons that are dead, and wait until each accepts mail."""
        self.places.arm(None)
        self.armed.unlink(missing_ok=True)
        await asyncio.gather(*(each.start() for each in self.daemons if not each.is_alive))
        began = time.monotonic()
        for daemon in self.daemons:
            await self._accepts(daemon)
        self.ledger.waited(began, "all daemons are ready after the fault")

    async def _accepts(self, daemon: ForkedDaemon) -> None:
        """Wait until *daemon* is ready, as its own readiness check says."""
        end = time.monotonic() + _GIVEN_UP_SECONDS
        while not await _is_ready(daemon.http):
            if not daemon.is_alive:
                self.ledger.find("bugs", "a daemon ended by itself")
                await daemon.start()
            if time.monotonic() > end:
                self.ledger.find("late", f"a daemon was not ready {_GIVEN_UP_SECONDS:g} s after the fault")
                return
            await asyncio.sleep(0.05)

    async def check(self) -> None:
        """Compare what was promised so far with the store, and remember what it has recorded as done."""
        wanted, self.ledger.unchecked = self.ledger.unchecked, []
        there = await asyncio.to_thread(self.facts.there, wanted)
        self.ledger.require_there(wanted, there)
        delivered, acked = await asyncio.to_thread(self.facts.done)
        self.ledger.records(delivered, acked, at=time.monotonic())


async def _is_ready(http: tuple[str, int]) -> bool:
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*http), 5)
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.0\r\nHost: relay\r\n\r\n")
        return b" 200 " in await asyncio.wait_for(reader.readline(), 5)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.transport.abort()


@asynccontextmanager
async def sqlite_world(folder: Path, dice: Random, *, nameserver: str, disk: Disk | None) -> AsyncIterator[World]:
    """A relay with one daemon on a SQLite file, on *disk* where there is one."""
    data = (disk.place if disk else folder) / "data"
    data.mkdir(mode=0o700)
    home = Home(data, sqlite_url(data / "mailseal.db"), nameserver)
    async with _world(home, home.database_url, dice, work=folder, daemons=1) as world:
        world.disk = disk
        yield world


@asynccontextmanager
async def postgres_world(
    folder: Path, dice: Random, *, nameserver: str, server: PrivateServer | None, url: str, daemons: int
) -> AsyncIterator[World]:
    """A relay with *daemons* daemons on the database *url* of *server*, behind a network that can fail."""
    async with Network(url) as network:
        home = Home(folder / "data", url, nameserver)
        async with _world(home, network.behind(url), dice, work=folder, daemons=daemons) as world:
            world.server, world.network = server, network
            yield world


@asynccontextmanager
async def _world(home: Home, url: str, dice: Random, *, work: Path, daemons: int) -> AsyncIterator[World]:
    """*home* is the operator's, whose way to the database is without faults; daemons use *url*."""
    ledger = Ledger()
    places = Places([], key="")
    async with Endpoint(ledger, dice, at=places.at) as endpoint, Provider(ledger, dice, at=places.at) as provider:
        home.more = SETTINGS | provider.settings
        make_database(home.settings, now=SystemClock().now()).engine.dispose()
        home.agent(HOOK, webhook=endpoint.url)
        home.agent(WRITER, webhook=endpoint.url)
        home.agent(BOT)
        places.key = home.key
        environment = home.environment | {"MAILSEAL_DATABASE_URL": url}
        armed = work / "armed"
        places.daemons += [
            ForkedDaemon(environment, log=work / f"daemon{number}.log", armed=armed) for number in range(daemons)
        ]
        facts = StoredFacts(home.database_url)
        traffic = Traffic(places, ledger, dice)
        world = World(places, ledger, dice, facts, traffic, home.data_dir, armed)
        try:
            await asyncio.gather(*(each.start() for each in places.daemons))
            ledger.pace.start()
            traffic.start()
            yield world
        finally:
            await traffic.stop()
            await ledger.pace.stop()
            for each in places.daemons:
                each.kill()
            facts.close()
            home.close()
