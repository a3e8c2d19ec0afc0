"""The processes of a run: started on free ports, awaited until they answer, ended whatever happens."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from store.database.connect import sqlite_url
from tests.bench.world import AGENTS

ROOT: Final = Path(__file__).resolve().parents[2]
_READY_SECONDS: Final = 20
_STOP_SECONDS: Final = 10
_CLI_SECONDS: Final = 30
_TAIL: Final = 1500  # characters of a log that a failure shows
_USER: Final = "bench@example.net"


# As much as it likes, which an owner would want to be asked about, and to a provider that knows nobody.
_WRITES: Final = {
    "MAILSEAL_SMTP_CONNECTIONS_PER_MINUTE": "0",
    "MAILSEAL_SMTP_MAILS_PER_MINUTE": "0",
    "MAILSEAL_API_RATE_PER_KEY": "0",
    "MAILSEAL_API_RATE_PER_USER": "0",
    "MAILSEAL_OUTBOUND_SENDS_PER_HOUR": "0",
    "MAILSEAL_OUTBOUND_NEW_RECIPIENTS_PER_DAY": "0",
    "MAILSEAL_OUTBOUND_USER_SENDS_PER_HOUR": "0",
    "MAILSEAL_OUTBOUND_USER_NEW_RECIPIENTS_PER_DAY": "0",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A server under test that sends."""

    pid: int
    port: int  # HTTP
    agent: str  # that writes
    key: str
    database: str  # its URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server under test."""

    pid: int
    port: int  # SMTP
    rcpt: str
    database: Path | None = None  # the naive server's


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """*command* as a process whose output goes to *log*; ended on the way out, by force if need be."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(env or {})}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once *port* takes connections. Raises RuntimeError, with the log's end, if it does not come to that."""
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    state = "still running" if process.poll() is None else f"exit code {process.returncode}"
    raise RuntimeError(f"nobody listens on port {port} ({state}):\n{log.read_text(errors='replace')[-_TAIL:]}")


@contextmanager
def naive(work: Path, *, idle: bool = False) -> Iterator[Target]:
    """The yardstick on a fresh database, or with *idle* stock aiosmtpd that does nothing."""
    name = "null" if idle else "naive"
    port, database, log = free_port(), work / f"{name}.db", work / f"{name}.log"
    command = _module("naive", port, work / "zone.json", "-" if idle else database)
    with running(command, log) as process:
        await_listening(process, port, log)
        yield Target(pid=process.pid, port=port, rcpt=f"agent@{AGENTS}", database=None if idle else database)


@contextmanager
def dns(work: Path) -> Iterator[int]:
    """The zone server; its port. It is up when it answers, which the first lookup's retry takes care of."""
    port = free_port(socket.SOCK_DGRAM)
    with running(_module("zone", port, work / "zone.json"), work / "zone.log"):
        yield port


@contextmanager
def sink(work: Path) -> Iterator[int]:
    """The webhook sink; its port."""
    port, log = free_port(), work / "sink.log"
    with running(_module("sink", port), log) as process:
        await_listening(process, port, log)
        yield port


def sink_count(port: int) -> int:
    """How many messages the sink has."""
    with urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
        return int(answer.read())


def sink_report(port: int) -> dict:
    """The sink's whole record: ``arrivals`` by message id in nanoseconds, ``verified``, ``again``, ``strange``."""
    with urlopen(f"http://127.0.0.1:{port}/report", timeout=10) as answer:
        return json.load(answer)


@contextmanager
def provider(work: Path) -> Iterator[dict[str, int]]:
    """The provider that takes every mail; its ports, as ``ses`` and ``smtp``."""
    ports, log = {"ses": free_port(), "smtp": free_port()}, work / "provider.log"
    with running(_module("provider", *ports.values()), log) as process:
        await_listening(process, ports["ses"], log)
        yield ports


@contextmanager
def mailseal(
    work: Path, *, program: Sequence[str], name: str, dns_port: int, sink_port: int, url: str | None = None
) -> Iterator[Target]:
    """The daemon on a data directory of its own, with a user, a verified domain and a webhook agent."""
    port, log = free_port(), work / f"{name}.log"
    env = _settings(work / name, port, free_port(), url) | {
        "MAILSEAL_DNS_NAMESERVERS": f"127.0.0.1:{dns_port}",
        "MAILSEAL_WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
    }
    rcpt = _new_agent()
    with _serving(program, env, log, port) as pid:
        _provision(program, env, rcpt, "--webhook", f"http://127.0.0.1:{sink_port}/hook")
        yield Target(pid=pid, port=port, rcpt=rcpt)


@contextmanager
def writing(
    work: Path, *, program: Sequence[str], name: str, settings: Mapping[str, str], url: str | None = None
) -> Iterator[Writer]:
    """The daemon with *settings* for sending, an agent that writes and a key to write with; nothing bounds it."""
    port, log = free_port(), work / f"{name}.log"
    env = _settings(work / name, free_port(), port, url) | _WRITES | settings
    agent = _new_agent()
    with _serving(program, env, log, port) as pid:
        key = _provision(program, env, agent, "--poll")
        database = url or sqlite_url(work / name / "mailseal.db")
        yield Writer(pid=pid, port=port, agent=agent, key=key, database=database)


def _settings(data: Path, smtp_port: int, http_port: int, url: str | None) -> dict[str, str]:
    """What every daemon of a bench has; its data directory is made."""
    data.mkdir(exist_ok=True)
    env = {
        "MAILSEAL_DATA_DIR": str(data),
        "MAILSEAL_SMTP_LISTEN": f"127.0.0.1:{smtp_port}",
        "MAILSEAL_HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "MAILSEAL_HOSTNAME": "mx.bench.example",
    }
    return env if url is None else env | {"MAILSEAL_DATABASE_URL": url}


def _new_agent() -> str:
    """An address; a database given by URL may hold the agents of earlier runs."""
    return f"bench-{time.time_ns():x}@{AGENTS}"


@contextmanager
def _serving(program: Sequence[str], env: Mapping[str, str], log: Path, port: int) -> Iterator[int]:
    """The daemon, once it listens on *port*; its process id."""
    _call(program, env, "init")
    with running([*program, "serve"], log, env) as process:
        await_listening(process, port, log)
        yield process.pid


def _provision(program: Sequence[str], env: Mapping[str, str], agent: str, *mode: str) -> str:
    """Make a user with a verified domain and an agent on it; answers a key of theirs."""
    _call(program, env, "init")
    user = _call(program, env, "user", "create", _USER, "--json")
    _call(program, env, "domain", "add", AGENTS, "--user", _USER)
    _call(program, env, "domain", "verify", AGENTS, "--user", _USER, "--force")
    _call(program, env, "agent", "create", agent, "--user", _USER, *mode)
    key: str = json.loads(user)["api_key"]
    return key


def _call(program: Sequence[str], env: Mapping[str, str], *arguments: str) -> str:
    """Run a command of the program under test; what it printed. Raises RuntimeError, with what it said, on failure."""
    done = subprocess.run(
        [*program, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=_CLI_SECONDS,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-_TAIL:]
        raise RuntimeError(f"mailseal {' '.join(arguments)} failed ({done.returncode}): {said}")
    return done.stdout


def _module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)]
