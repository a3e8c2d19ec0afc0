"""One daemon of two workers as a process: what its supervisor does, and tells the service manager."""

import os
import signal
import smtplib
import socket
import time
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess
from tests.workers.manager import Manager
from tests.workers.ready import workers_of


@pytest.fixture(scope="module")
def manager(folder):
    return Manager(folder / "notify")


def settings_of(folder, **more):
    return {
        "MAILSEAL_DATA_DIR": str(folder / "data"),
        "MAILSEAL_HOSTNAME": "mx.here.example",
        "MAILSEAL_WORKERS": "2",
        **more,
    }


@pytest.fixture(scope="module")
def shared(folder, manager):
    """A daemon that all tests but those of its end use; systemd's watchdog would end it after 4 s of silence."""
    config = folder / "mailseal.toml"
    config.write_text("smtp_max_errors = 5\n")
    settings = settings_of(folder, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="4000000")
    with DaemonProcess(settings, config=config, is_forked=True) as daemon:
        daemon.config = config
        yield daemon


@pytest.fixture
def daemon(shared):
    """The same, with all workers ready again after the test."""
    yield shared
    deadline = time.monotonic() + 20
    while len(workers_of(shared)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def banners(daemon, count):
    for _ in range(count):
        with smtplib.SMTP(*daemon.smtp, local_hostname="mx.example.com", timeout=20) as client:
            assert 250 == client.noop()[0]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_end(pids, seconds=20):
    deadline = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_all_workers_are_ready_before_the_manager_is_told_and_the_watchdog_is_fed(daemon, manager):
    events = [line["event"] for line in daemon.log]

    assert events.index("daemon_started") > max(at for at, each in enumerate(events[:4]) if each == "worker_ready")
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1", since=len(manager.states))
    assert {0, 1} == workers_of(daemon).keys()


def test_a_killed_worker_is_replaced_while_its_peer_answers(daemon):
    before, since = workers_of(daemon), len(daemon.log)
    os.kill(before[1], signal.SIGKILL)
    ended = daemon.wait_for("worker_ended", since=since)
    banners(daemon, 4)
    again = daemon.wait_for("worker_ready", since=since)

    assert (1, before[1], -9) == (ended["worker"], ended["pid"], ended["status"])
    assert 1 == again["worker"]
    assert before[0] == workers_of(daemon)[0]


def test_a_hung_worker_is_killed_and_replaced_and_the_watchdog_stays_fed(daemon, manager):
    since, told = len(daemon.log), len(manager.states)
    os.kill(workers_of(daemon)[0], signal.SIGSTOP)
    assert 0 == daemon.wait_for("worker_hung", since=since)["worker"]
    daemon.wait_for("worker_ready", since=since)

    manager.wait_for("WATCHDOG=1", since=told)
    banners(daemon, 2)


def test_a_hangup_reaches_all_workers_and_later_ones(daemon, manager):
    since, told = len(daemon.log), len(manager.states)
    daemon.config.write_text("smtp_max_errors = 7\n")
    os.kill(daemon.pid, signal.SIGHUP)
    for number in (0, 1):
        line = daemon.wait_for("settings_reloaded", since=since, where=lambda line, n=number: line["worker"] == n)
        assert ["MAILSEAL_SMTP_MAX_ERRORS"] == line["changed"]
    manager.wait_for("RELOADING=1", since=told)
    manager.wait_for("READY=1", since=told + manager.states[told:].index("RELOADING=1"))

    os.kill(workers_of(daemon)[0], signal.SIGKILL)
    daemon.wait_for("worker_ready", since=since)
    since = len(daemon.log)
    os.kill(daemon.pid, signal.SIGHUP)
    for number in (0, 1):
        line = daemon.wait_for("settings_reloaded", since=since, where=lambda line, n=number: line["worker"] == n)
        assert [] == line["changed"]


def test_a_hangup_with_a_wrong_setting_is_told_once_and_reaches_no_worker(daemon):
    since, kept = len(daemon.log), daemon.config.read_text()
    daemon.config.write_text("smtp_max_errors = 0\n")
    os.kill(daemon.pid, signal.SIGHUP)
    told = daemon.wait_for("reload_failed", since=since)
    daemon.config.write_text(kept)

    assert "worker" not in told
    banners(daemon, 2)
    assert not any(line["event"] == "settings_reloaded" for line in daemon.log[since:])


def test_sigterm_ends_all_and_is_told_once(folder, manager):
    with DaemonProcess(settings_of(folder, NOTIFY_SOCKET=str(manager.path)), is_forked=True) as daemon:
        pids, told = [daemon.pid, *workers_of(daemon).values()], len(manager.states)
        assert 0 == daemon.stop()

        assert all_end(pids)
        assert 1 == manager.states[told:].count("STOPPING=1")
        assert ["daemon_stopping", "daemon_stopped"] == [line["event"] for line in daemon.log[-2:]]
        assert [] == daemon.noise


def test_workers_end_cleanly_when_their_supervisor_is_killed(folder):
    with DaemonProcess(settings_of(folder), is_forked=True) as daemon:
        pids, address = [*workers_of(daemon).values()], daemon.smtp
        with smtplib.SMTP(*address, timeout=20) as client:
            client.ehlo()
            os.kill(daemon.pid, signal.SIGKILL)

            assert 421 == client.getreply()[0]
        assert all_end(pids)
        with pytest.raises(OSError):
            socket.create_connection(address, 5)


def test_sockets_of_the_manager_are_given_to_the_workers(folder):
    given = socket.create_server(("127.0.0.1", 0))
    with given, DaemonProcess(settings_of(folder), sockets={"smtp": given}) as daemon:
        assert given.getsockname() == daemon.smtp
        banners(daemon, 2)
        assert 0 == daemon.stop()


def test_a_worker_that_cannot_start_ends_all_with_its_status(folder):
    wrong = {"MAILSEAL_SECRET_KEY": "another key than the store was made with"}
    daemon = DaemonProcess(settings_of(folder, **wrong), is_forked=True)
    daemon.launch()

    assert 78 == daemon.ended()
    assert 78 == daemon.wait_for("worker_ended")["status"]
    assert any("master key" in line for line in daemon.noise)
