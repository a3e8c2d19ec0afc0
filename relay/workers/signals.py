"""Signals of the supervisor: noted in a set, and a socket that becomes readable with each."""

import signal
import socket
from types import FrameType
from typing import Final

_NOTED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class NotedSignals:
    """From the start until close()."""

    def __init__(self) -> None:
        self.readable, self._written = socket.socketpair()
        self.readable.setblocking(False)
        self._written.setblocking(False)
        self._noted: set[int] = set()
        self._before = {number: signal.signal(number, self._note) for number in _NOTED}
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)

    def take(self) -> set[int]:
        """The signals since the last call."""
        try:
            while self.readable.recv(4096):
                pass
        except BlockingIOError:
            pass
        found = self._noted & set(_NOTED)  # a copy: a signal may arrive meanwhile
        self._noted -= found
        return found

    def close(self) -> None:
        """Restore the handlers that were there before."""
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, before)
        self.readable.close()
        self._written.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.add(number)
