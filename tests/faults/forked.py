"""A daemon forked from a process that has imported the relay: it starts in a tenth of the time.

It is a process of its own like any `mailseal serve`: it has its own settings, sockets, log and death.
"""

import asyncio
import ctypes
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from tests.faults import steps

START_SECONDS = 60.0
END_SECONDS = 90.0
_LOOK_SECONDS = 0.02
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_IMPORTED = [
    "relay.serve",
    "relay.cli.serve",
    "relay.log",
    "relay.web.app",
    "uvloop",
    "psycopg",
    "alembic.command",
    "store.database.pg_connection",
    "sqlalchemy.dialects.postgresql.psycopg",
    "tests.faults.forked",
]
_FORKS = multiprocessing.get_context("forkserver")


def warm_up() -> None:
    """Name what the first process imports before any daemon is forked from it."""
    _FORKS.set_forkserver_preload(_IMPORTED)


def _serve(environment: Mapping[str, str], log: str, armed: str) -> None:
    """Become the daemon."""
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.environ.clear()
    os.environ.update(environment)
    steps.install(Path(armed))
    from relay.cli.main import main

    main(["serve"])


class ForkedDaemon:
    """One daemon at a time on one set of settings."""

    def __init__(self, environment: Mapping[str, str], *, log: Path, armed: Path) -> None:
        listen = {"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0", "MAILSEAL_WORKERS": "1"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILSEAL_")}
        self._environment = kept | listen | {"MAILSEAL_LOG_FORMAT": "json"} | dict(environment)
        self._log = log
        self._armed = armed
        self._process: ForkServerProcess | None = None
        self.is_ready = False  # it has said where it listens, and was not killed since
        self.smtp = ("", 0)
        self.http = ("", 0)

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def fork(self) -> int:
        """Begin a new process; returns the place in the log where its lines begin."""
        place = self._log.stat().st_size if self._log.exists() else 0
        self._process = _FORKS.Process(
            target=_serve, args=(self._environment, str(self._log), str(self._armed)), daemon=True
        )
        self._process.start()
        return place

    async def start(self) -> None:
        """Return once it listens. Raises AssertionError: it ended, or did not listen in time."""
        place = await asyncio.to_thread(self.fork)
        end = time.monotonic() + START_SECONDS
        while (line := self._started(place)) is None:
            assert self.is_alive, f"the daemon ended: {self._log.read_text()[place:][-2000:]}"
            assert time.monotonic() < end, f"the daemon does not listen: {self._log.read_text()[place:][-2000:]}"
            await asyncio.sleep(_LOOK_SECONDS)
        self.smtp, self.http = _address(line["smtp"][0]), _address(line["http"][0])
        self.is_ready = True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is there."""
        if self.is_alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.is_ready = False
        if self._process is not None:
            self._process.kill()
            self._process.join(END_SECONDS)

    def terminate(self) -> int | None:
        """Ask it to stop, and wait for it; its exit status, None when it did not end in time."""
        assert self._process is not None
        self._process.terminate()
        self._process.join(END_SECONDS)
        self.is_ready = False
        return self._process.exitcode

    def lines(self) -> Iterator[dict[str, Any]]:
        """All lines of the log so far."""
        if self._log.exists():
            yield from _parsed(self._log.read_text())

    def _started(self, place: int) -> dict[str, Any] | None:
        with self._log.open() if self._log.exists() else open(os.devnull) as log:  # noqa: PTH123 (a short form)
            log.seek(place)
            return next((line for line in _parsed(log.read()) if line.get("event") == "daemon_started"), None)


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:  # half a line, or what another library printed
            continue
        if isinstance(found, dict):
            yield found


def _address(shown: str) -> tuple[str, int]:
    host, _, port = shown.rpartition(":")
    return host, int(port)
