"""Limits of peers, keys and users are those of all workers together, and exact."""

import contextlib
import http.client
import os
import signal
import smtplib
import time

import pytest

from tests.daemon_process import DaemonProcess

CONNECTIONS, REQUESTS, FAILURES = 6, 9, 7


@pytest.fixture(scope="module")
def daemon(sqlite_home):
    sqlite_home.more |= {
        "MAILSEAL_MAX_CONNECTIONS_PER_PEER": str(CONNECTIONS),
        "MAILSEAL_API_MAX_CONNECTIONS_PER_PEER": str(CONNECTIONS),
        "MAILSEAL_API_RATE_PER_KEY": str(REQUESTS),
        "MAILSEAL_API_FAILED_KEYS_PER_PEER": str(FAILURES),
    }
    with DaemonProcess(sqlite_home.environment, is_forked=True) as running:
        sqlite_home.agent()
        yield running


def status_of(daemon, key):
    """The answer to one request on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection(*daemon.http, timeout=20)) as client:
        client.request("GET", "/v1/me", headers={"Authorization": f"Bearer {key}"})
        return client.getresponse().status


def fill(daemon, stack):
    """The replies of as many connections as are taken, and of two more."""
    replies = []
    for _ in range(CONNECTIONS + 2):
        client = stack.enter_context(contextlib.closing(smtplib.SMTP(timeout=20)))
        replies.append(client.connect(*daemon.smtp)[0])
    return replies


def test_a_peer_has_its_connections_in_all_workers_together(daemon):
    with contextlib.ExitStack() as stack:
        assert [220] * CONNECTIONS + [421] * 2 == fill(daemon, stack)


def test_the_connections_of_a_killed_worker_are_free_at_once(daemon):
    time.sleep(0.2)  # those of the test before are closed
    with contextlib.ExitStack() as stack:
        fill(daemon, stack)
        for line in [line for line in daemon.log if line["event"] == "worker_ready"][:2]:
            since = len(daemon.log)
            os.kill(line["pid"], signal.SIGKILL)
            daemon.wait_for("worker_ready", since=since)
        with contextlib.ExitStack() as again:
            assert [220] * CONNECTIONS + [421] * 2 == fill(daemon, again)


def test_a_key_has_its_requests_in_all_workers_together(daemon, sqlite_home):
    found = [status_of(daemon, sqlite_home.key) for _ in range(REQUESTS + 4)]

    assert [200] * REQUESTS == found[:REQUESTS]
    assert 429 in found[REQUESTS:]
    assert found.count(200) <= REQUESTS + 1  # one more is due after 60 s / REQUESTS


def test_a_peer_has_its_failures_in_all_workers_together(daemon):
    found = [status_of(daemon, f"ms_{'x' * 40}{number}") for number in range(FAILURES + 4)]

    assert [401] * FAILURES == found[:FAILURES]
    assert found.count(401) <= FAILURES + 1
