"""``mailseal serve`` as a process of its own: started, watched, told to stop, killed, started again."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from relay.clock import SystemClock
from relay.database import make_database
from relay.settings import load
from tests.forked import Forked

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90
STOP_SECONDS = 30

# Runs the command behind "--" with the descriptors before it as systemd passes sockets: from 3 on, with their names.
_AS_SYSTEMD = """
import fcntl, os, sys
names, *rest = sys.argv[1:]
numbers = [int(each) for each in rest[: rest.index("--")]]
for at, number in enumerate([fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers], start=3):
    os.dup2(number, at)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": names}
command = rest[rest.index("--") + 1 :]
os.execv(command[0], command)
"""

Line = Mapping[str, Any]


class DaemonProcess:
    """One daemon at a time on one set of settings. A context manager: nothing of it is left behind."""

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        config: Path | None = None,
        sockets: Mapping[str, socket.socket] | None = None,
        is_forked: bool = False,
        has_rights: bool = True,
    ) -> None:
        """*sockets* by name are passed as systemd passes them, from descriptor 3 on.

        *is_forked* starts it as tests/forked.py does, which is quicker; *has_rights* is for that.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILSEAL_")}
        # Port 0: the daemon says where it listens, and no two tests ever want the same port.
        listen = {"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0", "MAILSEAL_WORKERS": "1"}
        self._env = kept | listen | {"MAILSEAL_LOG_FORMAT": "json"} | dict(settings)
        self._config = ["--config", str(config)] if config else []
        self._sockets = sockets or {}
        self._is_forked = is_forked
        self._has_rights = has_rights
        self._process: subprocess.Popen[str] | Forked | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self._ended = False  # the present process has closed its log
        self.log: list[Line] = []  # of all processes so far
        self.noise: list[str] = []  # what it printed that is no line of the log
        self.smtp = ("", 0)
        self.http = ("", 0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def init(self) -> None:
        """Make the store where there is none, as `mailseal init` does."""
        settings = load({name: value for name, value in self._env.items() if name.startswith("MAILSEAL_")})
        make_database(settings, now=SystemClock().now()).engine.dispose()

    def start(self) -> Self:
        """Make the store if there is none, start, and return once the daemon listens."""
        if not self.log:
            self.init()
        since = len(self.log)
        self.launch()
        return self.started(since=since)

    def launch(self) -> None:
        """Run `mailseal serve`, and wait for nothing."""
        self._ended = False
        self._process = self._forked() if self._is_forked else self._executed()
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _forked(self) -> Forked:
        return Forked([*self._config, "serve"], env=self._env, has_rights=self._has_rights)

    def _executed(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "relay.cli", *self._config, "serve"]
        numbers = [each.fileno() for each in self._sockets.values()]
        if numbers:
            command = [sys.executable, "-c", _AS_SYSTEMD, ":".join(self._sockets), *map(str, numbers), "--", *command]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=numbers,
        )

    def started(self, *, since: int = 0) -> Self:
        """Return once the daemon listens, as a line of the log from *since* on says."""
        started = self.wait_for("daemon_started", since=since, seconds=START_SECONDS)
        self.smtp, self.http = _address(started["smtp"][0]), _address(started["http"][0])
        return self

    def wait_for(
        self, event: str, *, since: int = 0, seconds: float = 20, where: Callable[[Line], bool] = lambda _: True
    ) -> Line:
        """The first line of the log about *event*, from line *since* on, once it is there."""

        def found() -> Line | None:
            return next((line for line in self.log[since:] if line["event"] == event and where(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self._ended, seconds)
            line = found()
        assert line is not None, (f"no {event!r}", [*self.log[-10:]], self.noise)
        return line

    def terminate(self) -> None:
        """Ask it to stop, as a service manager does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """The exit status, once it has stopped."""
        assert self._process is not None
        assert self._reader is not None
        status = self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return status

    def stop(self) -> int:
        """Ask it to stop, and wait for it."""
        self.terminate()
        return self.ended()

    def kill(self) -> None:
        """End it with SIGKILL: it does not get to do anything any more."""
        if self._process is not None:
            self._process.kill()
            self.ended()

    def limit_files(self, size: int | None) -> None:
        """Let no file of it grow beyond *size* bytes, as a full disk would; None makes room again."""
        soft = resource.RLIM_INFINITY if size is None else size
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def _read(self, process: "subprocess.Popen[str] | Forked") -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                with self._changed:
                    self._keep(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _keep(self, line: str) -> None:
        try:
            self.log.append(json.loads(line))
        except ValueError:
            self.noise.append(line)


def _address(shown: str) -> tuple[str, int]:
    host, _, port = shown.rpartition(":")
    return host, int(port)
