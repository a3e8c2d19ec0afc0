"""Counts shared by real processes: exact, free after a kill, usable while one of them is stopped."""

import multiprocessing
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from relay.limits.counts import ALL, OwnCounts
from relay.limits.shared import SharedCounts
from relay.limits.table import SharedTable
from relay.smtp.admission import SmtpPool
from relay.smtp.limits import Limits
from relay.smtp.peers import PeerRate

FORKS = multiprocessing.get_context("fork")
PEER = ip_address("192.0.2.1")


@pytest.fixture
def table():
    return SharedTable(processes=3, names=1000, buckets=1000)


@contextmanager
def forked(work):
    """A process that does *work* with its end of a pipe."""
    ours, theirs = FORKS.Pipe()
    process = FORKS.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    yield process, ours
    process.kill()
    process.join()


class Client:
    has_sent_mail = True

    def make_room(self):
        return False

    def hurry(self):
        pass


def test_each_process_counts_in_its_own_column_and_all_see_the_sum(table):
    one, other = SharedCounts(table, 0).tally("a"), SharedCounts(table, 1).tally("a")
    one.add("x", 2)
    other.add("x", 3)
    other.add(ALL, 1)

    assert (5, 5, 1, 0) == (one.of("x"), other.of("x"), one.of(ALL), one.of("y"))
    assert 0 == SharedCounts(table, 0).tally("b").of("x")
    one.add("x", -2)
    assert 3 == one.of("x")
    table.clear(1)
    assert (0, 0) == (one.of("x"), one.of(ALL))


def test_limits_are_exact_while_processes_race(table):
    limits = Limits(max_connections=1000, max_connections_per_peer=150, connections_per_minute=0)

    def work(number):
        def enter(pipe):
            pool = SmtpPool(limits, lambda _: None, SharedCounts(table, number))
            pipe.recv()
            pipe.send(sum(pool.enter(Client(), PEER, 1.0) is None for _ in range(150)))
            pipe.recv()

        return enter

    with forked(work(0)) as (_, one), forked(work(1)) as (_, two):
        for pipe in (one, two):
            pipe.send("go")
        entered = [one.recv(), two.recv()]

    assert 150 == sum(entered)


def test_a_rate_is_of_all_processes_together(table):
    rates = [PeerRate(10, SharedCounts(table, number), kind="mails") for number in (0, 1)]
    other = PeerRate(10, SharedCounts(table, 0), kind="connections")

    assert [True] * 10 + [False] * 2 == [rates[at % 2].take(PEER, 5.0) for at in range(12)]
    assert other.take(PEER, 5.0)
    assert [True, False] == [rates[at].take(PEER, 11.0) for at in (0, 1)]


def test_a_killed_holder_of_the_lock_keeps_no_other_process_out(table):
    def hold(pipe):
        with table:
            SharedCounts(table, 1).tally("a").add("x", 7)
            pipe.send("held")
            time.sleep(60)

    with forked(hold) as (process, pipe):
        pipe.recv()
        process.kill()
        process.join()
        table.clear(1)
        tally = SharedCounts(table, 0).tally("a")
        with table:
            assert table._is_locked
            tally.add("x", 1)

    assert 1 == tally.of("x")


def test_a_stopped_holder_of_the_lock_delays_the_others_once(table):
    def hold(pipe):
        with table:
            pipe.send("held")
            os.kill(os.getpid(), signal.SIGSTOP)

    with forked(hold) as (_, pipe):
        pipe.recv()
        tally, waits = SharedCounts(table, 0).tally("a"), 0
        for _ in range(500):
            began = time.monotonic()
            with tally.turn():
                tally.add("x", 1)
            waits += time.monotonic() - began > 0.015  # the patience for the lock

    assert 500 == tally.of("x")
    assert waits < 10


def test_names_that_find_no_place_of_their_own_are_counted_together(table):
    small = SharedTable(processes=1, names=1, buckets=1)
    tally = SharedCounts(small, 0).tally("a")
    names = [f"name {number}" for number in range(400)]
    for name in names:
        tally.add(name, 1)
    held = [tally.of(name) for name in names]
    assert 1 <= min(held)
    for name in names:
        tally.add(name, -1)

    assert {0} == {tally.of(name) for name in names}


def test_a_bucket_in_use_is_kept_when_many_others_come(table):
    small = SharedTable(processes=1, names=1, buckets=100)
    buckets = SharedCounts(small, 0).buckets("a", most=100)
    for second in range(2000):
        buckets.take("peer", 100.0 + second / 1000, size=3000)
        buckets.take(f"other {second}", 100.0 + second / 1000, size=10)

    assert buckets.level("peer", 102.0, size=3000) < 1200


def test_shared_counts_decide_as_those_of_one_process_do(table):
    limits = Limits(max_connections=20, max_connections_per_peer=4, connections_per_minute=30)
    answers = []
    for counts in (OwnCounts(), SharedCounts(table, 2)):
        bounds = Counter()
        pool = SmtpPool(limits, lambda bound, bounds=bounds: bounds.update([bound]), counts)
        clients = []
        for at in range(90):
            client = Client()
            refused = pool.enter(client, ip_address(f"198.51.{at % 13}.1"), at / 10)
            clients.append((client, refused))
            if at % 5 == 0:
                pool.leave(clients[at // 2][0])
        answers.append(([refused for _, refused in clients], bounds))

    assert answers[0] == answers[1]
