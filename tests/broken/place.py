"""A relay to break: its files, its settings, what `mailseal doctor` says about it."""

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import trustme
from click.testing import CliRunner

from relay.cli.main import main
from relay.clock import SystemClock
from relay.directory.keys import create_key
from relay.master_files import read_master
from relay.settings import Settings, load
from store.database.connect import open_store, sqlite_url
from store.engine import Unit
from tests.daemon_process import DaemonProcess
from tests.places import Places

T = TypeVar("T")
HOST = "mx.here.example"
ENVIRONMENT = {
    "MAILSEAL_HOSTNAME": HOST,
    "MAILSEAL_DNS_NAMESERVERS": "127.0.0.1:9",
    "MAILSEAL_SMTP_LISTEN": "127.0.0.1:0",
    "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0",
}


def settings_of(data_dir: Path, **more: str) -> Settings:
    """The settings of a relay in *data_dir*."""
    return load(ENVIRONMENT | {"MAILSEAL_DATA_DIR": str(data_dir)} | more)


class Place:
    """One relay's files and settings. A test breaks one of them."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.database = self.data / "mailseal.db"
        self.secret = self.data / "secret.key"
        self.settings = ENVIRONMENT | {"MAILSEAL_DATA_DIR": str(self.data)}
        self._authority = authority

    def set(self, **settings: str | Path) -> None:
        """Give the relay more settings: ``database_url="…"`` is MAILSEAL_DATABASE_URL."""
        self.settings |= {f"MAILSEAL_{name.upper()}": str(value) for name, value in settings.items()}

    def process(self, **options: Any) -> DaemonProcess:
        """The daemon, not started."""
        return DaemonProcess(self.settings, is_forked=True, has_rights=False, **options)

    def findings(self) -> dict[str, tuple[str, str]]:
        """What `mailseal doctor` says: by name the state and the words."""
        done = CliRunner().invoke(main, ["doctor", "--json"], env=self.settings)
        found = json.loads(done.stdout)["findings"]
        assert done.exit_code == any(each["state"] == "failing" for each in found)
        return {each["name"]: (each["state"], each["seen"]) for each in found}

    def execute(self, statement: str) -> None:
        """Run a statement in the SQLite store."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement)

    def write(self, unit: Unit[T]) -> T:
        """Run *unit* on the store."""
        store = open_store(self.url())
        try:
            return store.run(unit)
        finally:
            store.engine.dispose()

    def places(self) -> Places:
        """Makes users and agents with the relay's master key."""
        settings = load(self.settings)
        return Places(SystemClock(), read_master(settings), settings.webhook_allow_cidrs)

    def key(self) -> str:
        """A new API key of the store's user."""
        places = self.places()
        now = places.clock.now()
        return self.write(lambda tx: create_key(tx, places.user(tx).id, name="", now=now)[1])

    def agent(self, address: str, **more: Any) -> None:
        """Make an agent of the store's user."""
        places = self.places()
        self.write(lambda tx: places.agent(tx, places.user(tx), address, **more))

    @contextmanager
    def locked(self) -> Any:
        """Another program writes to the SQLite store meanwhile, and the relay waits a second for it."""
        self.set(database_answer_seconds="1")
        with closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def url(self) -> str:
        """The SQLite store's."""
        return sqlite_url(self.database)

    def certify(self, *, ends_at: datetime | None = None) -> tuple[Path, Path]:
        """Give the relay a certificate with its key; the two files."""
        issued = self._authority.issue_cert(HOST, not_after=ends_at)
        certificate, key = self.folder / "cert.pem", self.folder / "key.pem"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        self.set(tls_cert_file=certificate, tls_key_file=key)
        return certificate, key
