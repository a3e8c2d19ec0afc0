"""Broken states that a running daemon meets: what senders hear, what the log, /readyz, doctor and the metrics say.

docs/operations.md has a row for each of them.
"""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.broken.place import Place
from tests.broken.relay import Relay
from tests.forked import Forked
from tests.journeys.sender import letter

TRY_LATER = (451, "4.3.0")
LARGE = letter() + b"0123456789\r\n" * 30_000  # more than is kept in memory


@dataclass(frozen=True)
class Loss:
    """A state in which no mail can be stored."""

    name: str  # of the test, and in the row of docs/operations.md
    broken: Callable[[Relay], object]  # a context manager; the state is mended at its end
    why: str  # in the cause of `store_unusable`
    doctor: tuple[str, str]  # a finding's name and words; its state is failing
    mail: bytes = letter(2)
    reply: tuple[int, str] = TRY_LATER


@contextmanager
def without_file(relay: Relay) -> Iterator[None]:
    away = relay.place.folder / "away.db"
    relay.place.database.rename(away)
    yield
    away.rename(relay.place.database)


@contextmanager
def another_file(relay: Relay) -> Iterator[None]:
    with without_file(relay):
        relay.place.database.write_bytes(b"")
        yield


@contextmanager
def another_key(relay: Relay) -> Iterator[None]:
    relay.place.execute("UPDATE store_facts SET name = 'kept', value = value WHERE name = 'master_check'")
    relay.place.execute(
        "INSERT INTO store_facts SELECT 'master_check', 'another', at FROM store_facts WHERE name = 'kept'"
    )
    yield
    relay.place.execute("DELETE FROM store_facts WHERE name = 'master_check'")
    relay.place.execute("UPDATE store_facts SET name = 'master_check' WHERE name = 'kept'")


@contextmanager
def full_disk(relay: Relay) -> Iterator[None]:
    """No file may grow."""
    relay.process.limit_files(1024)
    yield
    relay.process.limit_files(None)


@contextmanager
def file_for_spool(relay: Relay) -> Iterator[None]:
    spool = relay.place.data / "spool"
    with suppress(FileNotFoundError):
        spool.rmdir()
    spool.write_bytes(b"")
    yield
    spool.unlink()


@contextmanager
def domains_lost(relay: Relay) -> Iterator[None]:
    """The rows of the domains are gone, and no program gave them up."""
    relay.place.execute("UPDATE domains SET verified_at = NULL")
    yield
    relay.place.execute("UPDATE domains SET verified_at = created_at")


LOSSES = [
    Loss("domains_lost", domains_lost, "no verified domain, and had one", ("daemon", "503")),
    Loss("store_removed", without_file, "mailseal.db is gone", ("database", "there is no")),
    Loss("store_replaced", another_file, "was replaced by another file", ("database", "is empty")),
    Loss("store_of_another_key", another_key, "another master key", ("store's master key", "not the key")),
    Loss("disk_full", full_disk, "disk", ("daemon", "/readyz answered HTTP/1.1 503")),
    Loss(
        "spool_not_writable",
        file_for_spool,
        "spool cannot be written: File exists",
        ("spool", "cannot be written: File exists"),
        mail=LARGE,
        reply=(452, "4.3.1"),
    ),
]


@pytest.mark.parametrize("state", [pytest.param(each, id=each.name) for each in LOSSES])
def test_a_daemon_that_cannot_store_mail_says_so_everywhere_and_recovers(state, place, start):
    relay = start()
    assert (200, 250) == (relay.ready, relay.send().code)
    with state.broken(relay):
        assert 503 == relay.ready
        assert state.reply == relay.send(state.mail).status, state
        line = relay.process.wait_for("store_unusable")
        refusal = relay.process.wait_for("message_refused")
        found = relay.finding(state.doctor[0])
        code, enhanced = state.reply
        replies = relay.metric(f'smtp_replies_total{{code="{code}",enhanced="{enhanced}"}}')
    assert state.why in line["cause"], line
    assert (code, True) == (refusal["code"], len(refusal["cause"]) > 0), refusal
    assert ("failing", True) == (found[0], state.doctor[1] in found[1]), found
    assert 1 == replies
    relay.process.wait_for("store_usable", seconds=30)
    assert (200, 250) == (relay.ready, relay.send(state.mail + b"again\r\n").code)


def test_a_locked_store_defers_mail_in_time(place, start):
    with place.locked():
        pass  # for its settings
    relay = start()
    with place.locked():
        assert TRY_LATER == relay.send().status
        assert 503 == relay.ready
        line = relay.process.wait_for("message_refused")
        assert ("failing", True) == has_words(relay.finding("database"), "database is locked")
        assert relay.metric("store_errors_total") > 0
    assert "database is locked" in line["cause"]
    assert 250 == relay.send().code


def test_too_little_free_space_defers_nothing_yet_and_is_told(place, start):
    place.set(min_free_bytes=str(2**60))
    relay = start()

    assert 503 == relay.ready
    assert "bytes free, and MAILSEAL_MIN_FREE_BYTES is" in relay.process.wait_for("store_unusable")["cause"]
    assert "failing" == relay.finding("disk")[0]


def test_a_later_schema_is_served_and_told(place, start):
    place.execute("UPDATE alembic_version SET version_num = '9999_later'")
    relay = start()

    assert (200, 250) == (relay.ready, relay.send().code)
    assert "9999_later" == relay.process.wait_for("daemon_started")["revision"]
    assert ("warning", True) == has_words(relay.finding("database"), "later release")


def test_a_damaged_renewal_keeps_the_certificate_in_use(place, start):
    certificate, _ = place.certify()
    relay = start()
    ends = relay.metric("certificate_expiry_timestamp_seconds")
    certificate.write_bytes(b"no certificate")

    with socket.create_connection(relay.process.smtp, timeout=60) as client:
        replies = client.makefile("rwb")
        for command in (b"", b"EHLO mx.example.com\r\n", b"STARTTLS\r\n"):
            replies.write(command)
            replies.flush()
            while replies.readline()[3:4] == b"-":
                pass
    line = relay.process.wait_for("certificate_renewal_failed")

    assert str(certificate) in line["file"]
    assert (200, ends) == (relay.ready, relay.metric("certificate_expiry_timestamp_seconds"))
    assert "failing" == relay.finding("certificate")[0]


def test_an_ended_certificate_is_used_and_told(place, start):
    place.certify(ends_at=datetime.now(UTC) - timedelta(days=1))
    relay = start()

    assert "ends_at" in relay.process.wait_for("certificate_ended")
    assert (200, 250) == (relay.ready, relay.send().code)
    assert "failing" == relay.finding("certificate's term")[0]
    assert 0 < relay.metric("certificate_expiry_timestamp_seconds") < datetime.now(UTC).timestamp()


@contextmanager
def refusing_nameserver() -> Iterator[int]:
    """A port of 127.0.0.1 where no nameserver is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    yield port


@contextmanager
def silent_nameserver() -> Iterator[int]:
    """A port of 127.0.0.1 where each question is taken and none answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


NAMESERVERS = {"dns_refused": refusing_nameserver, "dns_silent": silent_nameserver}


@pytest.mark.parametrize("state", [pytest.param(make, id=name) for name, make in NAMESERVERS.items()])
def test_without_dns_mail_is_taken_unverified_or_deferred_as_the_agent_wants(state, place, start):
    place.agent("strict@agents.example", on_unverified="reject")
    with state() as port:
        place.set(dns_nameservers=f"127.0.0.1:{port}")
        relay = start()

        assert 250 == relay.send().code
        assert (451, "4.7.26") == relay.send(to="strict@agents.example").status
        line = relay.process.wait_for("message_refused")
        assert (200, 451) == (relay.ready, line["code"])
        assert "DNS" in line["cause"]
        assert "failing" == relay.finding(f"nameserver 127.0.0.1 port {port}")[0]
        assert relay.metric('verdicts_total{dmarc="temperror",verified="false"}') == 2
        assert relay.metric("dns_seconds_count") > 0


def test_a_wrong_setting_at_a_reload_changes_nothing(place, start):
    file = place.folder / "mailseal.toml"
    file.write_text("max_recipients = 7\n")
    process = place.process(config=file)
    relay = Relay(place, process.start())
    try:
        file.write_text("max_recipients = 0\n")
        os.kill(process.pid, signal.SIGHUP)
        line = process.wait_for("reload_failed")
        assert ("MAILSEAL_MAX_RECIPIENTS" in line["error"], 200) == (True, relay.ready)
    finally:
        process.kill()


@pytest.fixture
def unread(place: Place) -> Iterator[tuple[Relay, Forked]]:
    """A daemon whose log nothing reads, and its process: a pipe with little room."""
    smtp, http = free_address(), free_address()
    place.set(smtp_listen="{}:{}".format(*smtp), http_listen="{}:{}".format(*http), log_format="json")
    process = Forked(["serve"], env=place.settings)
    fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 8192)
    daemon = place.process()
    daemon.smtp, daemon.http = smtp, http
    for _ in range(600):
        with suppress(OSError), socket.create_connection(smtp, timeout=60):
            break
        time.sleep(0.1)
    yield Relay(place, daemon), process
    process.kill()
    process.stderr.close()


def free_address() -> tuple[str, int]:
    """An address of this machine that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return "127.0.0.1", taken.getsockname()[1]


def test_a_log_whose_reader_is_gone_stops_no_mail(unread):
    relay, process = unread
    process.stderr.close()

    assert [250] * 3 == [relay.send(letter(number)).code for number in range(3)]
    assert (200, True) == (relay.ready, relay.metric("log_lines_lost") >= 3)


def test_a_log_whose_reader_is_stuck_stops_no_mail_and_is_told_afterwards(unread):
    relay, process = unread
    sent = 0
    while relay.metric("log_lines_lost") == 0 and sent < 60:
        sent += 1
        assert 250 == relay.send(letter(sent)).code
    assert (200, True) == (relay.ready, sent < 60)

    os.set_blocking(process.stderr.fileno(), False)
    os.read(process.stderr.fileno(), 65_536)
    os.set_blocking(process.stderr.fileno(), True)
    relay.send(letter(61))
    told = next(line for line in process.stderr if "log_lines_lost" in line)
    assert json.loads(told)["count"] > 0


def has_words(finding: tuple[str, str], words: str) -> tuple[str, bool]:
    """The state of a finding, and whether it has *words*."""
    return finding[0], words in finding[1]
