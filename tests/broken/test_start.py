"""Broken states that `mailseal serve` finds when it starts: how it ends, or what it waits for, and what is said.

docs/operations.md has a row for each of them.
"""

import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.data_dir_lock import exclusive_lock
from store.database.connect import open_engine
from store.database.moved import mark_moved
from tests.broken.place import Place
from tests.daemon_process import DaemonProcess

MUST_ACT = 78
SECONDS = 60


@dataclass(frozen=True)
class Start:
    """A state in which the daemon does not start."""

    name: str  # of the test, and in the row of docs/operations.md
    break_it: Callable[[Place], object]
    why: str  # in the last line, after which the process has ended with 78
    doctor: tuple[str, str] | None = None  # a finding's name and words; its state is failing


def lose_key(place: Place) -> None:
    place.secret.unlink()


def take_others_key(place: Place) -> None:
    place.secret.write_bytes(b"the key of another relay, which is long enough")


def shorten_key(place: Place) -> None:
    place.secret.write_bytes(b"short")


def lock_key(place: Place) -> None:
    place.secret.chmod(0)


def lose_store(place: Place) -> None:
    for file in place.data.glob("mailseal.db*"):
        file.unlink()


def lose_all(place: Place) -> None:
    shutil.rmtree(place.data)


def empty_store(place: Place) -> None:
    lose_store(place)
    place.database.write_bytes(b"")


def damage_store(place: Place) -> None:
    lose_store(place)
    place.database.write_bytes(b"no database " * 500)


def empty_tables(place: Place) -> None:
    for table in ("store_facts", "agent_secrets", "domain_claims", "agents", "domains", "users"):
        place.execute(f"DELETE FROM {table}")


def move_store(place: Place) -> None:
    engine = open_engine(place.url())
    mark_moved(engine, to="postgresql://db.example/mail", now=datetime(2026, 11, 23, tzinfo=UTC))
    engine.dispose()


def lose_certificate(place: Place) -> None:
    place.certify()[0].unlink()


def mix_certificates(place: Place) -> None:
    _, key = place.certify()
    other = key.read_bytes()
    place.certify()
    key.write_bytes(other)


def lock_certificate(place: Place) -> None:
    place.certify()[1].chmod(0)


def encrypt_certificate(place: Place) -> None:
    place.certify()[1].write_bytes(
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )


def lock_data(place: Place) -> None:
    place.data.chmod(stat.S_IRUSR | stat.S_IXUSR)


def lock_store(place: Place) -> None:
    place.database.chmod(stat.S_IRUSR)


STARTS = [
    Start("key_lost", lose_key, "the master key {data}/secret.key is missing", ("master key", "there is no")),
    Start(
        "key_of_another",
        take_others_key,
        "{data}/secret.key is not the master key of the store",
        ("store's master key", "is not the key of this store"),
    ),
    Start("key_too_short", shorten_key, "secret.key holds less than 16 bytes", ("store's master key", "less than 16")),
    Start("key_unreadable", lock_key, "cannot read {data}/secret.key: Permission denied"),
    Start("store_missing", lose_store, "the store {data}/mailseal.db is gone", ("database", "there is no")),
    Start("store_empty", empty_store, "the store {data}/mailseal.db is empty", ("database", "is empty")),
    Start("no_store", lose_all, "there is no store at {data}/mailseal.db", ("database", "there is no")),
    Start("tables_empty", empty_tables, "has tables and no rows: restore a backup"),
    Start("store_damaged", damage_store, "file is not a database", ("database", "file is not a database")),
    Start("store_moved", move_store, "was moved to postgresql://db.example/mail", ("database", "was moved to")),
    Start("store_read_only", lock_store, "{data}/mailseal.db cannot be used: attempt to write a readonly database"),
    Start("data_dir_read_only", lock_data, "mailseal.db cannot be opened: attempt to write a readonly database"),
    Start("certificate_missing", lose_certificate, "No such file or directory", ("certificate", "No such file")),
    Start("certificate_mismatched", mix_certificates, "the key is not the certificate's", ("certificate", "MISMATCH")),
    Start("certificate_unreadable", lock_certificate, "Permission denied"),
    Start("certificate_key_encrypted", encrypt_certificate, "cannot be used: ", ("certificate", "key.pem")),
    Start("setting_unknown", lambda place: place.set(colour="red"), "MAILSEAL_COLOUR: no such setting"),
    Start("provider_unknown", lambda place: place.set(outbound="pigeon"), "MAILSEAL_OUTBOUND"),
    Start(
        "provider_password_missing",
        lambda place: place.set(
            outbound="smtp",
            smtp_out_host="mx.example",
            smtp_out_username="us",
            smtp_out_password_file="/nowhere/password",
        ),
        "MAILSEAL_SMTP_OUT_PASSWORD_FILE: cannot read /nowhere/password",
        ("smarthost", "cannot read /nowhere/password"),
    ),
    Start("port_forbidden", lambda place: place.set(smtp_listen="127.0.0.1:25"), "cannot listen on 127.0.0.1:25: Perm"),
    Start("host_unknown", lambda place: place.set(smtp_listen="no.such.host.invalid:0"), "cannot listen on no.such."),
]
LOW_PORTS_ARE_FREE = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 25


@pytest.mark.parametrize("state", [pytest.param(each, id=each.name) for each in STARTS])
def test_what_a_person_must_change_ends_the_start_with_78_and_names_it(state, place):
    if state.name == "port_forbidden" and LOW_PORTS_ARE_FREE:
        pytest.skip("every user may bind port 25 here")
    state.break_it(place)
    process = place.process()
    process.launch()

    assert MUST_ACT == process.ended()

    (words,) = process.noise
    assert state.why.format(data=place.data) in words
    assert [] == process.log
    if state.doctor is not None:
        name, seen = state.doctor
        found = place.findings()[name]
        assert ("failing", True) == (found[0], seen in found[1]), found


@dataclass(frozen=True)
class Wait:
    """A state that time may mend: the daemon waits."""

    name: str  # of the test, and in the row of docs/operations.md
    broken: Callable[[Place], object]  # a context manager; the state is mended at its end
    why: str  # in the cause of `start_waits`
    doctor: tuple[str, str, str] | None = None  # a finding's name, state and words


@contextmanager
def taken_port(place: Place) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place.set(smtp_listen="127.0.0.1:{1}".format(*other.getsockname()))
        yield


@contextmanager
def silent_server(place: Place) -> Iterator[None]:
    """A PostgreSQL that takes connections and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        place.set(database_url="postgresql://ana:swordfish@127.0.0.1:{1}/mail".format(*other.getsockname()))
        place.set(database_answer_seconds="1")
        yield


@contextmanager
def absent_server(place: Place) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    place.set(database_url=f"postgresql://ana:swordfish@127.0.0.1:{port}/mail")
    yield


@contextmanager
def absent_address(place: Place) -> Iterator[None]:
    place.set(smtp_listen="192.0.2.1:2525")
    yield


@contextmanager
def moving(place: Place) -> Iterator[None]:
    with exclusive_lock(place.data):
        yield


WAITS = [
    Wait("port_taken", taken_port, "cannot listen on 127.0.0.1:"),
    Wait("address_absent", absent_address, "cannot listen on 192.0.2.1:2525: "),
    Wait("database_locked", Place.locked, "database is locked", ("database", "failing", "database is locked")),
    Wait("database_refused", absent_server, "Connection refused", ("database", "failing", "Connection refused")),
    Wait("database_silent", silent_server, "cannot be opened: ", ("database", "failing", "cannot be opened")),
    Wait("data_dir_in_use", moving, "is being moved: try again"),
]
# Those of which a test sees the end, too.
MENDED = {"port_taken", "database_locked", "data_dir_in_use"}


@pytest.mark.parametrize("state", [pytest.param(each, id=each.name) for each in WAITS])
def test_what_time_mends_is_waited_for_with_its_cause_in_the_log(state, place):
    with ExitStack() as running:
        with state.broken(place):
            process = running.enter_context(launched(place))
            line = process.wait_for("start_waits", seconds=SECONDS)
            found = place.findings() if state.doctor else {}
        assert state.why in line["cause"]
        assert "swordfish" not in str(process.log)
        if state.doctor is not None:
            name, kind, seen = state.doctor
            assert (kind, True) == (found[name][0], seen in found[name][1]), found[name]
        if state.name in MENDED:
            process.started()
        else:
            process.terminate()
            assert 0 == process.ended()


@contextmanager
def launched(place: Place) -> Iterator[DaemonProcess]:
    """The daemon, which may not be able to start; killed in the end."""
    process = place.process()
    process.launch()
    try:
        yield process
    finally:
        process.kill()


def test_a_socket_that_systemd_passes_under_another_name_ends_the_start(place):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        process = DaemonProcess(place.settings, sockets={"imap": passed})
        process.launch()

        assert MUST_ACT == process.ended()
    (words,) = process.noise
    assert "systemd passed a socket called 'imap': set FileDescriptorName=smtp or" in words


def test_without_sockets_of_systemd_the_addresses_of_the_settings_are_used(place):
    with socket.create_server(("127.0.0.1", 0)) as passed, launched(place) as process:
        process.started()
        assert process.smtp != passed.getsockname()
        assert ("127.0.0.1", "127.0.0.1") == (process.smtp[0], process.http[0])
