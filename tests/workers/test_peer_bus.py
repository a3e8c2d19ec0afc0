"""Messages between workers: wake-ups, metrics, and what is lost with a full inbox."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from relay.metrics import Metrics
from relay.metrics_together import Together, snapshot_of
from relay.peer_bus import Inboxes, PeerBus


@pytest.fixture
async def buses():
    inboxes = Inboxes(3)
    made = [PeerBus(inboxes, number) for number in range(3)]
    for bus in made:
        bus.heard = []
        bus.on_wake = bus.heard.append
        bus.on_lost = bus.heard.append
        bus.start()
    yield made
    for bus in made:
        bus.stop()
    inboxes.close()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0.001)


async def test_topics_reach_all_peers_and_none_comes_back(buses):
    for bus in buses:
        bus.on_wake = lambda topics, bus=bus: (bus.heard.append(topics), bus.wake(topics))
    buses[0].wake(["inbox:a@x", "keys:1"])
    await until(lambda: buses[1].heard and buses[2].heard)
    buses[1].wake(["inbox:b@x"])
    await until(lambda: len(buses[2].heard) == 2)

    assert [["inbox:b@x"]] == buses[0].heard
    assert [["inbox:a@x", "keys:1"], ["inbox:b@x"]] == buses[2].heard


async def test_a_peer_that_did_not_read_for_long_wakes_all_its_waiters(buses):
    buses[1].stop()
    for number in range(5000):
        buses[0].wake([f"inbox:{number}@x"])
    buses[1].start()
    await until(lambda: None in buses[1].heard)

    assert len(buses[1].heard) < 5001
    await until(lambda: not buses[0]._behind)


async def test_so_many_topics_that_they_fit_into_no_message_wake_all(buses):
    buses[0].wake([f"inbox:{number}@x" for number in range(1000)])
    await until(lambda: buses[2].heard)

    assert [None] == buses[2].heard


async def test_a_mark_waits_in_the_inbox_of_a_worker_that_is_being_started(buses):
    buses[1].stop()
    buses[0]._inboxes.tell_lost(1, "abc")
    buses[1].start()
    await until(lambda: buses[1].heard)

    assert ["abc"] == buses[1].heard


async def test_metrics_come_from_the_peers_that_answer_in_time(buses):
    for number, bus in enumerate(buses):
        bus.snapshot = lambda number=number: [["f", "text", "gauge", [["f", {}, number]]]]
    assert [1, 2] == sorted(found[0][3][0][2] for found in await buses[0].snapshots())

    buses[2].stop()
    assert [1] == [found[0][3][0][2] for found in await buses[0].snapshots()]
    buses[2].start()


def test_counters_and_histograms_are_added_and_ages_are_not():
    one, other = Metrics(), Metrics()
    for metrics, seconds in ((one, 0.02), (other, 3)):
        metrics.count_mail("accepted")
        metrics.count_bound(f"bound_{seconds}")
        metrics.observe_accept(seconds)
        metrics.watch("loop_lag_seconds", lambda seconds=seconds: seconds)
        metrics.watch("smtp_sessions", lambda: 4)
    lines = one.render([other.snapshot()]).decode().splitlines()

    for line in (
        'mailseal_mails_total{outcome="accepted"} 2.0',
        'mailseal_bounds_total{bound="bound_3"} 1.0',
        'mailseal_accept_seconds_bucket{le="0.025"} 1.0',
        'mailseal_accept_seconds_bucket{le="+Inf"} 2.0',
        "mailseal_accept_seconds_count 2.0",
        "mailseal_loop_lag_seconds 3.0",
        "mailseal_smtp_sessions 8.0",
    ):
        assert line in lines, line


def test_a_snapshot_alone_is_what_it_was_taken_of():
    metrics = Metrics()
    metrics.count_mail("refused")
    found = snapshot_of(Together(CollectorRegistry(), [metrics.snapshot()]))

    assert [family for family in metrics.snapshot() if family[0] == "mailseal_mails"] == [
        family for family in found if family[0] == "mailseal_mails"
    ]
