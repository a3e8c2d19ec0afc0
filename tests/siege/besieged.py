"""The relay under attack: a real daemon with its own store and nameserver, and the users that it has."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from relay.clock import SystemClock
from relay.directory.keys import create_key
from relay.master_files import read_master
from relay.settings import load
from relay.signing.secrets import MasterKey
from store.database.connect import open_store, sqlite_url
from store.engine import Store
from store.records.mail import User
from store.transaction import Tx
from tests.bench.measure import peak, reset_peak
from tests.daemon_process import ROOT, DaemonProcess
from tests.places import Places
from tests.siege.aim import Aim

OWNER: Final = "wanda@owner.test"
HOOK: Final = "hook@witness.agents.test"
POLL: Final = "poll@witness.agents.test"
_DOMAIN: Final = "witness.agents.test"
_READ_KEYS: Final = 8
_FIRST_NETWORK: Final = 10


@dataclass
class Besieged:
    """A running relay and the operator's way to its store."""

    daemon: DaemonProcess
    store: Store
    places: Places
    master: MasterKey
    owner: User
    key: str  # of the owner

    def aim(self, number: int, seconds: float) -> Aim:
        """What attacker *number* is told: a new user with a domain, an agent and keys."""
        domain, clock = f"a{number}.attacker.test", self.places.clock

        def unit(tx: Tx) -> tuple[str, list[str]]:
            user = self.places.user(tx, f"eve{number}@attacker.test")
            self.places.domain(tx, user, domain)
            self.places.agent(tx, user, f"eve@{domain}")
            now = clock.now()
            keys = [create_key(tx, user.id, name="", now=now, scopes=["read"])[1] for _ in range(_READ_KEYS)]
            return create_key(tx, user.id, name="", now=now)[1], keys

        key, keys = self.store.run(unit)
        return Aim(
            smtp=self.daemon.smtp,
            http=self.daemon.http,
            network=_FIRST_NETWORK + number,
            seconds=seconds,
            key=key,
            keys=keys,
            domain=domain,
            agent=f"eve@{domain}",
            victim=OWNER,
        )

    def peak_megabytes(self) -> float:
        """The most memory that the daemon held since the last call."""
        found = peak([self.daemon.pid]) / 1e6
        reset_peak([self.daemon.pid])
        return found


@contextmanager
def besieged(hook: str, more: Mapping[str, str] | None = None) -> Iterator[Besieged]:
    """A daemon with a witness whose webhook is *hook*, and the settings *more*; ended and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="siege-") as folder, _nameserver() as nameserver:
        settings = _settings(Path(folder), nameserver) | dict(more or {})
        daemon = DaemonProcess(settings)
        daemon.init()
        loaded = load({"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0"} | settings)
        store, master = open_store(loaded.database), read_master(loaded)
        places = Places(SystemClock(), master, loaded.webhook_allow_cidrs)
        owner, key = store.run(lambda tx: _witness(tx, places, hook))
        with daemon:
            yield Besieged(daemon, store, places, master, owner, key)
        store.engine.dispose()


def attack_process(name: str, aim: Aim) -> "subprocess.Popen[str]":
    """An attacker as a process of its own."""
    command = [sys.executable, "-m", "tests.siege.attacker", name]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(aim.to_json())
    process.stdin.close()
    return process


def outcome(process: "subprocess.Popen[str]") -> Mapping[str, int]:
    """What an attacker did, once it has ended; nothing is known of one that was terminated."""
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    status = process.wait()
    if status == -signal.SIGTERM:
        return {}
    assert status == 0, "an attacker failed: see its words on standard error"
    found: Mapping[str, int] = json.loads(said)
    return found


def _witness(tx: Tx, places: Places, hook: str) -> tuple[User, str]:
    owner = places.user(tx, OWNER)
    places.domain(tx, owner, _DOMAIN)
    places.agent(tx, owner, HOOK, webhook=hook)
    places.agent(tx, owner, POLL)
    return owner, create_key(tx, owner.id, name="", now=places.clock.now())[1]


def _settings(folder: Path, nameserver: int) -> dict[str, str]:
    """Settings of the daemon: the defaults, but for names, certificate and the loopback interface."""
    authority = trustme.CA()
    certificate = authority.issue_cert("mx.siege.test")
    chain, key = folder / "chain.pem", folder / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    return {
        "MAILSEAL_DATA_DIR": str(folder / "data"),
        "MAILSEAL_DATABASE_URL": sqlite_url(folder / "mailseal.db"),
        "MAILSEAL_SECRET_KEY": "one master key for the siege",
        "MAILSEAL_HOSTNAME": "mx.siege.test",
        "MAILSEAL_DNS_NAMESERVERS": f"127.0.0.1:{nameserver}",
        "MAILSEAL_WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
        "MAILSEAL_TLS_CERT_FILE": str(chain),
        "MAILSEAL_TLS_KEY_FILE": str(key),
    }


@contextmanager
def _nameserver() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.siege.nameserver"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
