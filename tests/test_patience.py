"""What a start waits for, and what ends it at once: each error of a start has its class."""

import asyncio
import errno
import socket
import time

import pytest

from relay.cli.main import exit_status
from relay.database import open_database
from relay.errors import DaemonRuns, ListenAddressBusy, Misconfigured
from relay.listening import cannot_listen
from relay.patience import start_patiently
from relay.settings import load
from relay.smtp.listen import bind
from store.errors import Unavailable
from tests.fakes import FakeClock

NOW = FakeClock().now()
SECRET = "a secret key of this test alone"


def starts_after(failures):
    """A start that raises these errors, one at each try, and then succeeds."""
    left = list(failures)

    async def start():
        if left:
            raise left.pop(0)
        return "started"

    return start


@pytest.mark.parametrize("error", [Unavailable("no answer"), DaemonRuns(), ListenAddressBusy("in use")])
async def test_what_time_mends_is_waited_for(error):
    start = starts_after([error, error])

    assert "started" == await start_patiently(start, stop=asyncio.Event(), first_seconds=0.01)


async def test_what_a_person_must_change_ends_the_start_at_once():
    with pytest.raises(Misconfigured):
        await start_patiently(starts_after([Misconfigured("wrong")]), stop=asyncio.Event())


async def test_a_daemon_that_waits_can_be_stopped():
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stop.set)

    async with asyncio.timeout(10):
        assert None is await start_patiently(starts_after([Unavailable()] * 9), stop=stop, first_seconds=60)


async def test_systemd_hears_why_a_start_waits(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        error = Unavailable("the database postgresql://u@db:5432/x cannot be opened: Connection refused")
        await start_patiently(starts_after([error]), stop=asyncio.Event(), first_seconds=0.01)
        told = manager.recv(4096).decode()

    assert told.startswith(f"STATUS=Waiting: {error}; again in 0.01 s\nEXTEND_TIMEOUT_USEC=")


WAITS, ENDS = 75, 78
ADDRESSES = [
    (OSError(errno.EADDRINUSE, "Address already in use"), WAITS),
    (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), WAITS),
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), WAITS),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), ENDS),
    (OSError(errno.EACCES, "Permission denied"), ENDS),
]


@pytest.mark.parametrize(("error", "status"), ADDRESSES)
def test_each_error_of_an_address_has_its_class_and_names_the_address(error, status):
    made = cannot_listen("192.0.2.1", 25, error)

    assert (status, f"cannot listen on 192.0.2.1:25: {error.strerror}") == (exit_status(made), str(made))


def test_an_address_in_use_is_waited_for(unused_tcp_port):
    with socket.create_server(("127.0.0.1", unused_tcp_port)), pytest.raises(ListenAddressBusy):
        bind([("127.0.0.1", unused_tcp_port)])


def refused(tmp_path, url):
    """The error of opening the store at *url*."""
    values = {"MAILSEAL_DATA_DIR": str(tmp_path), "MAILSEAL_DATABASE_URL": url, "MAILSEAL_SECRET_KEY": SECRET}
    with pytest.raises((Misconfigured, Unavailable)) as caught:
        open_database(load(values), now=NOW)
    return caught.value


def test_a_postgresql_that_is_not_there_is_waited_for_and_named_without_its_password(tmp_path, unused_tcp_port):
    error = refused(tmp_path, f"postgresql://ana:swordfish@127.0.0.1:{unused_tcp_port}/mail")

    place = f"postgresql://ana:***@127.0.0.1:{unused_tcp_port}/mail"
    assert (WAITS, True) == (exit_status(error), str(error).startswith(f"the database {place} cannot be opened: "))
    assert "Connection refused" in str(error)
    assert "swordfish" not in str(error)


def test_a_postgresql_without_the_database_needs_a_person(tmp_path, postgres):
    scheme, _, rest = postgres.partition("/postgres?")
    error = refused(tmp_path, f"{scheme}/no_such_database?{rest}" if rest else postgres + "_not_there")

    assert (ENDS, True) == (exit_status(error), 'database "no_such_database" does not exist' in str(error))


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "there is no store at"), (b"", "is empty"), (b"no database " * 500, "cannot be opened: file is not")],
)
def test_a_file_that_is_no_store_needs_a_person(tmp_path, content, why):
    file = tmp_path / "mail.db"
    if content is not None:
        file.write_bytes(content)

    error = refused(tmp_path, f"sqlite:///{file}")

    assert (ENDS, True, True) == (exit_status(error), why in str(error), str(file) in str(error))


async def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for_without_an_end(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        url = f"postgresql://ana@127.0.0.1:{silent.getsockname()[1]}/mail"
        error = await asyncio.to_thread(refused, tmp_path, url)

    assert (WAITS, True) == (exit_status(error), time.monotonic() - start < 30)
