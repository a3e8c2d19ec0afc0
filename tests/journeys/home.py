"""What a relay lives in: a data directory, a database, a DNS and an operator who makes agents."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from relay.clock import Clock, SystemClock
from relay.daemon import Daemon
from relay.directory.agents import read_secrets
from relay.directory.keys import create_key
from relay.master_files import read_master
from relay.settings import Settings, load
from relay.signing.check import RequestCheck, check_request
from relay.signing.secrets import parse_whsec
from store.database.connect import open_store
from store.engine import Store
from store.mail.deliveries import list_deliveries
from store.records.mail import Delivery
from tests.daemon_process import DaemonProcess
from tests.journeys.agent import Poller
from tests.places import Places
from tests.sink import Posted

HOOK = "hook@agents.example"
BOT = "bot@agents.example"
_SECRET_KEY = "one master key for every daemon of a test"


@dataclass
class Home:
    """One relay, whether or not a daemon runs in it."""

    data_dir: Path
    database_url: str
    nameserver: str
    more: dict[str, str] = field(default_factory=dict)  # settings of this test alone
    clock: Clock = field(default_factory=SystemClock)
    key: str = ""
    _store: Store | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as a daemon or a command is given them."""
        return {
            "MAILSEAL_DATA_DIR": str(self.data_dir),
            "MAILSEAL_DATABASE_URL": self.database_url,
            "MAILSEAL_SECRET_KEY": _SECRET_KEY,
            "MAILSEAL_HOSTNAME": "mx.here.example",
            "MAILSEAL_DNS_NAMESERVERS": self.nameserver,
            "MAILSEAL_WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
        } | self.more

    @property
    def command_environment(self) -> dict[str, str]:
        """The environment of a command: this relay's settings and nobody else's."""
        return {name: value for name, value in os.environ.items() if not name.startswith("MAILSEAL_")} | (
            self.environment
        )

    @property
    def settings(self) -> Settings:
        anywhere = {"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0"}
        return load(anywhere | self.environment)

    @property
    def store(self) -> Store:
        """The operator's own way to the database."""
        if self._store is None:
            self._store = open_store(self.database_url)
        return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.engine.dispose()

    def process(self) -> DaemonProcess:
        return DaemonProcess(self.environment)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator["Running"]:
        """A daemon on this loop, running meanwhile."""
        daemon = Daemon(self.settings, clock=self.clock)
        addresses = await daemon.start()
        try:
            yield Running(daemon, addresses.smtp[0], addresses.http[0])
        finally:
            await daemon.stop()

    def agent(self, address: str = BOT, *, webhook: str | None = None, **more) -> None:
        """An agent with a webhook, or one that polls, on a verified domain; and a key of its owner."""
        settings = self.settings
        places = Places(self.clock, read_master(settings), settings.webhook_allow_cidrs)

        def unit(tx):
            user = places.user(tx)
            places.domain(tx, user, address.rpartition("@")[2])
            places.agent(tx, user, address, webhook=webhook, **more)
            return create_key(tx, user.id, name="", now=self.clock.now())[1]

        self.key = self.store.run(unit)

    def poller(self, http: tuple[str, int], agent: str = BOT) -> Poller:
        return Poller("http://{}:{}".format(*http), self.key, agent)

    def secret(self, agent: str = HOOK) -> str:
        """The agent's signing secret as its owner sees it."""
        master, now = read_master(self.settings), self.clock.now()
        return self.store.run(lambda tx: read_secrets(tx, agent, master=master, now=now))[0]["secret"]

    def checked(self, posted: Posted, agent: str = HOOK) -> RequestCheck:
        """Whether both signatures of a request hold."""
        document = {"headers": dict(posted.headers), "body": posted.body.decode()}
        return check_request(document, [parse_whsec(self.secret(agent))], now=self.clock.now())

    def deliveries(self) -> list[Delivery]:
        """Every delivery there is."""
        found, cursor = [], None
        while True:
            page = self.store.run(lambda tx, cursor=cursor: list_deliveries(tx, limit=200, cursor=cursor))
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found


@dataclass(frozen=True)
class Running:
    """A daemon of this process, and where its doors are."""

    daemon: Daemon
    smtp: tuple[str, int]
    http: tuple[str, int]
