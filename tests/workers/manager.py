"""The service manager's end of NOTIFY_SOCKET: keeps the states it was sent."""

import socket
import threading
from pathlib import Path


class Manager:
    """Listens from the start on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.states: list[str] = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            states = self._socket.recv(4096).decode().split("\n")
            with self._changed:
                self.states.extend(states)
                self._changed.notify_all()

    def wait_for(self, state: str, *, since: int = 0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: state in self.states[since:], 30), (state, self.states)
