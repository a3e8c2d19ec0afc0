"""Broken states of what the relay calls, and of its clock: webhooks and a smarthost that refuse, are silent or gone.

docs/operations.md has a row for each of them.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from relay.clock import SystemClock
from relay.clock_watch import ClockWatch
from store.facts import probe
from tests.broken.place import Place

HOOK = "hook@agents.example"


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine on which no program listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield port


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def answering(*answers: bytes) -> Callable[[], object]:
    """A port that says these, each when a client has sent something; the first one at once if it begins with 220."""

    @contextmanager
    def listening() -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=lambda: serve(server), daemon=True).start()
            yield server.getsockname()[1]
            server.shutdown(socket.SHUT_RDWR)

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    for answer in answers:
                        if not answer.startswith(b"220"):
                            client.recv(65_536)
                        client.sendall(answer)

    return listening


GONE = answering(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
NO_SUCH_USER = answering(
    b"220 mx.example\r\n",
    b"250 mx.example\r\n",
    b"250 ok\r\n",
    b"550 5.1.1 No such user\r\n",
    b"250 ok\r\n",
    b"221 bye\r\n",
)


@dataclass(frozen=True)
class Outside:
    """A state of a webhook or of the smarthost."""

    name: str  # of the test, and in the row of docs/operations.md
    port: Callable[[], object]
    event: str  # of the log
    words: str  # in that line
    series: str  # of the metrics, at least 1
    doctor: tuple[str, str, str]  # a finding's name, state and words


LATER, DEAD = 'delivery_attempts_total{outcome="later"}', 'delivery_attempts_total{outcome="gone"}'
WEBHOOK = f"webhook of {HOOK}"
WEBHOOKS = [
    Outside(
        "webhook_refused",
        closed_port,
        "delivery_deferred",
        "'error': 'connection refused'",
        LATER,
        (WEBHOOK, "warning", "1 waiting"),
    ),
    Outside(
        "webhook_silent",
        silent_port,
        "delivery_deferred",
        "'error': 'timeout'",
        LATER,
        (WEBHOOK, "warning", "1 waiting"),
    ),
    Outside("webhook_gone", GONE, "delivery_dead", "'webhook': 'disabled'", DEAD, (WEBHOOK, "warning", "switched off")),
]
SMARTHOSTS = [
    Outside(
        "provider_unreachable",
        closed_port,
        "send_deferred",
        "refused",
        'sends_total{outcome="busy"}',
        ("smarthost", "failing", "refused"),
    ),
    Outside(
        "provider_refuses",
        NO_SUCH_USER,
        "send_failed",
        "No such user",
        'sends_total{outcome="refused"}',
        ("smarthost", "ok", "answers in clear"),
    ),
]


@pytest.mark.parametrize("state", [pytest.param(each, id=each.name) for each in WEBHOOKS])
def test_a_webhook_that_takes_no_events_is_told_and_mail_goes_on(state, place, start):
    with state.port() as port:
        place.set(webhook_allow_cidrs="127.0.0.0/8", webhook_timeout_seconds="1", webhook_retry_seconds="3600")
        place.agent(HOOK, webhook=f"http://127.0.0.1:{port}/hook")
        relay = start()

        assert 250 == relay.send(to=HOOK).code
        line = relay.process.wait_for(state.event, seconds=30)
        assert (True, 200, 250) == (state.words in str(dict(line)), relay.ready, relay.send().code), line
        told(relay, state)


@pytest.mark.parametrize("state", [pytest.param(each, id=each.name) for each in SMARTHOSTS])
def test_a_provider_that_takes_no_mail_is_told_and_mail_arrives(state, place, start):
    with state.port() as port:
        place.set(outbound="smtp", smtp_out_host="127.0.0.1", smtp_out_port=str(port), smtp_out_tls="none")
        key = place.key()
        relay = start()

        relay.write(key, "bot@agents.example", "ana@example.com")
        line = relay.process.wait_for(state.event, seconds=30)
        assert (True, 200, 250) == (state.words in str(dict(line)), relay.ready, relay.send().code), line
        told(relay, state)


def told(relay, state: Outside) -> None:
    """Check the metric and the finding of doctor."""
    assert relay.metric(state.series) >= 1
    name, kind, words = state.doctor
    found = relay.finding(name)
    assert (kind, True) == (found[0], words in found[1]), found


def test_a_clock_behind_the_stores_last_write_is_told(place: Place, start):
    """Clock set back: the store was written a day ahead of what the clock says now."""
    place.write(lambda tx: probe(tx, now=SystemClock().now() + timedelta(days=1)))
    assert ("failing", True) == has_words(place.findings()["database's clock"], "86400 s ahead", "86399 s ahead")
    relay = start()

    assert 86_000 < relay.process.wait_for("clock_behind")["seconds"] <= 86_400
    assert (200, 250) == (relay.ready, relay.send().code)


def has_words(finding: tuple[str, str], *words: str) -> tuple[str, bool]:
    """The state of a finding, and whether it has any of *words*."""
    return finding[0], any(each in finding[1] for each in words)


@pytest.mark.parametrize(
    ("clock", "steady", "jump"), [(3610, 10, 3600), (-3590, 10, -3600), (10, 10, None), (39, 10, None), (0, 29, None)]
)
def test_a_clock_that_is_set_while_the_daemon_runs_is_told(clock, steady, jump):
    watch, at = ClockWatch(), datetime(2026, 11, 23, tzinfo=UTC)
    watch.note(at, 0)
    with capture_logs() as lines:
        watch.note(at + timedelta(seconds=clock), steady)

    assert ([] if jump is None else [jump]) == [line["seconds"] for line in lines]
