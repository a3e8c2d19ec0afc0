"""The gauges of the database: read by a job, shown at each scrape, and silent once they are stale."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import asyncio

import pytest

from relay.jobs.figures import STALE, StoreGauges
from relay.metrics import Metrics
from store.errors import Unavailable


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def gauges(live_store, clock, metrics):
    return StoreGauges(store=live_store, clock=clock, metrics=metrics)


def samples(metrics):
    return metrics.render().decode().splitlines()


async def test_a_gauge_has_no_sample_before_the_first_round(gauges, metrics):
    assert not [line for line in samples(metrics) if line.startswith("mailseal_deliveries_due ")]


async def test_a_round_reads_what_each_scrape_then_shows(gauges, live_store, metrics, clock, places, user):
    await live_store.write(lambda tx: places.agent(tx, user, "hook@agents.example", webhook="https://hooks.example/"))
    await live_store.write(lambda tx: places.message(tx, "hook@agents.example"))
    await gauges.look_again(asyncio.Event())
    clock.advance(seconds=40)

    assert {
        "mailseal_deliveries_due 1.0",
        "mailseal_delivery_oldest_due_seconds 40.0",
        "mailseal_deliveries_dead 0.0",
        "mailseal_sending_paused 0.0",
        'mailseal_sends{status="queued"} 0.0',
    } <= set(samples(metrics))


async def test_figures_that_are_no_longer_read_are_not_shown_for_ever(gauges, metrics, clock):
    await gauges.look_again(asyncio.Event())
    clock.advance(seconds=STALE.total_seconds() + 1)

    assert not [line for line in samples(metrics) if line.startswith("mailseal_deliveries_due ")]


async def test_a_round_without_a_database_keeps_what_the_last_one_found(gauges, live_store, metrics):
    await gauges.look_again(asyncio.Event())
    await live_store.stop()
    with pytest.raises(Unavailable):
        await gauges.look_again(asyncio.Event())

    assert "mailseal_deliveries_due 0.0" in samples(metrics)
