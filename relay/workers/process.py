"""One worker process as its supervisor sees it: what it has told, and by when it must tell more.

A worker tells its supervisor what a daemon tells systemd (sd_notify(3)), over a socket that the two share. The end of
that socket is how a worker learns that its supervisor has died.
"""

import os
import signal
import socket
from contextlib import suppress
from typing import Final

START_SECONDS: Final = 90.0  # for a start; a worker that waits for a database or an address asks for more
_LARGEST: Final = 262_144  # bytes of one notice


class WorkerProcess:
    """A process that was started, until it has ended."""

    def __init__(
        self, number: int, pid: int, channel: socket.socket, *, mark: str = "", now: float, watchdog: float
    ) -> None:
        self.number = number
        self.pid = pid
        self.mark = mark  # of the ids that it makes
        self.channel = channel
        self.began = now
        self.is_ready = False  # it has said so since its start
        self.is_reloading = False
        self._watchdog = watchdog  # seconds
        self._due = now + START_SECONDS

    def is_overdue(self, now: float) -> bool:
        """Whether it has been silent for longer than it may."""
        return now > self._due

    def listen(self, now: float) -> bool:
        """Take all notices that have arrived; False when the channel has ended."""
        while True:
            try:
                notice = self.channel.recv(_LARGEST, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not notice:
                return False
            self._take(notice.decode("utf-8", "replace").split("\n"), now)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; it has no effect on a process that has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _take(self, states: list[str], now: float) -> None:
        for state in states:
            name, _, value = state.partition("=")
            if name == "READY":
                self.is_ready, self.is_reloading = True, False
                self._due = now + self._watchdog
            elif name == "WATCHDOG" and self.is_ready:
                self._due = now + self._watchdog
            elif name == "EXTEND_TIMEOUT_USEC" and value.isdigit() and not self.is_ready:
                self._due = max(self._due, now + int(value) / 1_000_000)
