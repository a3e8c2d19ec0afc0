"""The program in this process, on a data directory of the test's own, with a DNS of the test's own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner, Result

from relay.cli.main import main
from relay.demo.zone_server import ZoneServer
from tests.auth.mails import zone

OWNER = "ana@owner.example"
DOMAIN = "agents.example"
BOT = "bot@agents.example"
HOOK = "hook@agents.example"


class Cli:
    """Runs commands with settings of its own, and only those."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.settings = {
            "MAILSEAL_DATA_DIR": str(data_dir),
            "MAILSEAL_HOSTNAME": "mx.here.example",
            "MAILSEAL_DNS_NAMESERVERS": "127.0.0.1:9",
        } | settings
        self.env: dict[str, str | None] = {name: None for name in os.environ if name.startswith("MAILSEAL_")}

    def run(self, *arguments: str, **settings: str) -> Result:
        """One command, in this process."""
        return CliRunner().invoke(main, arguments, env=self.env | self.settings | settings)

    def ok(self, *arguments: str) -> str:
        """What a command prints that must succeed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def json(self, *arguments: str):
        """The document that a command prints that must succeed."""
        return json.loads(self.ok(*arguments, "--json"))

    def process(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """One command, as a process: for what logs, or writes bytes."""
        kept = {name: value for name, value in os.environ.items() if name not in self.env}
        command = [sys.executable, "-m", "relay.cli", *arguments]
        return subprocess.run(command, env=kept | self.settings, capture_output=True, timeout=60, check=False)

    def inject(self, mail: Path, *arguments: str) -> list[str]:
        """The ids that a mail got."""
        done = self.process("inject", str(mail), "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["message_ids"]

    def settle(self) -> "Cli":
        """A store with a user, a domain, an agent that polls and one with a webhook."""
        self.ok("init")
        self.ok("user", "create", OWNER)
        self.ok("domain", "add", DOMAIN, "--user", OWNER)
        self.ok("domain", "verify", DOMAIN, "--user", OWNER, "--force")
        self.ok("agent", "create", BOT, "--user", OWNER, "--poll")
        self.ok("agent", "create", HOOK, "--user", OWNER, "--webhook", "https://hook.example/")
        return self


class Nameserver(threading.Thread):
    """A zone server on a loop of its own."""

    def __init__(self, records) -> None:
        super().__init__(daemon=True)
        self._records = records
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self.address = ""

    def run(self) -> None:
        server = ZoneServer(self._records)
        self._loop.run_until_complete(server.start())
        self.address = "{}:{}".format(*server.address)
        self._listening.set()
        self._loop.run_forever()
        self._loop.run_until_complete(server.stop())
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()


@pytest.fixture
def empty(tmp_path) -> Cli:
    return Cli(tmp_path / "data")


@pytest.fixture
def fresh(empty) -> Cli:
    """A new store without a user."""
    empty.ok("init")
    return empty


@pytest.fixture(scope="session")
def settled_data(tmp_path_factory) -> Path:
    """A settled data directory that tests' own are copied from."""
    folder = tmp_path_factory.mktemp("settled") / "data"
    Cli(folder).settle()
    return folder


@pytest.fixture
def cli(empty, settled_data, tmp_path) -> Cli:
    shutil.copytree(settled_data, tmp_path / "data")
    return empty


@pytest.fixture
def mail(tmp_path) -> Path:
    file = tmp_path / "mail.eml"
    file.write_bytes(b"From: Ana <ana@example.com>\nSubject: Is dinner\n\tready?\n\nHi.\n")
    return file


@pytest.fixture
def nameserver():
    """Starts a nameserver for given TXT records."""
    running = []

    def start(records=None) -> str:
        running.append(Nameserver(zone() if records is None else records).__enter__())
        return running[-1].address

    yield start
    for each in running:
        each.__exit__()


@pytest.fixture(scope="module")
def posted(tmp_path_factory):
    """A relay that has got one mail for an agent that polls and one with a webhook; only to be looked at."""
    folder = tmp_path_factory.mktemp("posted")
    cli = Cli(folder / "data").settle()
    file = folder / "mail.eml"
    file.write_bytes(b"From: Ana <ana@example.com>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHi.\n")
    cli.ids = cli.inject(file, "--to", BOT, "--to", HOOK, "--mail-from", "ana@example.com", "--ip", "192.0.2.1")
    return cli
