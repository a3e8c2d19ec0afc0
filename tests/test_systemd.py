"""What the daemon tells systemd and takes from it."""

import os
import socket

import pytest

from relay.systemd import inherited_sockets, notify_reloading, notify_systemd, watchdog_seconds


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """The service manager's end of the notification socket."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listening


def test_states_are_sent_in_one_datagram(manager):
    notify_systemd("READY=1", "STATUS=Serving")

    assert b"READY=1\nSTATUS=Serving" == manager.recv(1000)


def test_a_reload_is_told_with_its_time(manager):
    notify_reloading()
    first, second = manager.recv(1000).split(b"\n")

    assert b"RELOADING=1" == first
    assert int(second.removeprefix(b"MONOTONIC_USEC=")) > 0


def test_without_a_manager_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_systemd("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [("30000000", None, 30), ("500000", "own", 0.5), ("30000000", "1", None), ("", None, None), ("0", None, None)],
)
def test_the_watchdogs_time_is_that_of_this_process(monkeypatch, microseconds, process, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if process is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if process == "own" else process)

    assert seconds == watchdog_seconds()


def test_sockets_of_another_process_are_not_taken(monkeypatch):
    for name, value in {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "smtp:http"}.items():
        monkeypatch.setenv(name, value)

    assert {} == inherited_sockets()
    assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & os.environ.keys()
