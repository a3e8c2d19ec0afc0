"""The parts of a supervisor that only compute, and what one worker tells it."""

import socket

import pytest

from relay.systemd import notify_systemd
from relay.workers.cores import usable_cores
from relay.workers.process import START_SECONDS, WorkerProcess
from relay.workers.restarts import Restarts

WATCHDOG = 10.0


def test_failures_in_a_row_are_waited_for_longer_up_to_a_bound_and_a_long_run_ends_the_row():
    restarts = Restarts()
    row = [restarts.next_delay(ran_seconds=1) for _ in range(20)]

    assert [0, 0.25, 0.5, 1, 2, 4, 8, 15, 15] == row[:9]
    assert {15} == set(row[7:])
    assert 0 == restarts.next_delay(ran_seconds=61)


def test_a_quota_of_the_control_group_bounds_the_cores(tmp_path):
    quota = tmp_path / "cpu.max"
    found = {}
    for text in ("max 100000", "50000 100000", "100000 100000", "nonsense", "1 0"):
        quota.write_text(text)
        found[text] = usable_cores(quota)

    assert found["max 100000"] == found["nonsense"] == found["1 0"] == usable_cores(tmp_path / "none") >= 1
    assert 1 == found["50000 100000"] == found["100000 100000"]


@pytest.fixture
def channel(monkeypatch):
    """Both ends; what this process tells a service manager goes into the second."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        monkeypatch.setenv("NOTIFY_SOCKET", f"fd:{theirs.fileno()}")
        yield ours, theirs


def test_a_worker_is_overdue_after_its_start_or_its_silence(channel):
    worker = WorkerProcess(0, 1, channel[0], now=0, watchdog=WATCHDOG)
    assert not worker.is_overdue(START_SECONDS)
    assert worker.is_overdue(START_SECONDS + 1)

    notify_systemd("EXTEND_TIMEOUT_USEC=75000000")
    worker.listen(80)
    assert not worker.is_overdue(150)

    notify_systemd("READY=1", "STATUS=Serving")
    worker.listen(100)
    assert worker.is_ready
    assert worker.is_overdue(100 + WATCHDOG + 1)

    notify_systemd("WATCHDOG=1")
    worker.listen(105)
    assert not worker.is_overdue(105 + WATCHDOG)


def test_the_end_of_a_worker_is_the_end_of_its_channel(channel):
    worker = WorkerProcess(0, 1, channel[0], now=0, watchdog=WATCHDOG)
    assert worker.listen(1)
    channel[1].close()

    assert not worker.listen(2)


def test_a_full_channel_does_not_block_a_worker(channel):
    for _ in range(10_000):
        notify_systemd("WATCHDOG=1")
