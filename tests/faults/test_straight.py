"""`kill -9` between the commit of a mail, the post of its webhook and the record of it: nothing lost, nothing done again."""

import asyncio

import pytest

from relay.clock import SystemClock
from relay.database import make_database
from store.database.connect import sqlite_url
from tests.faults.forked import ForkedDaemon
from tests.faults.load import Load
from tests.journeys.home import HOOK, Home
from tests.sink import PATIENCE_SECONDS

# A lease is ten seconds longer: longer than a sink is waited for, so a lease that is ended by its time fails the test.
SETTINGS = {"MAILSEAL_WEBHOOK_TIMEOUT_SECONDS": str(PATIENCE_SECONDS)}


@pytest.fixture
def own_home(tmp_path, nameserver):
    """A relay whose database is in its data directory, as without a setting: no other process can be using it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    made = Home(data, sqlite_url(data / "mailseal.db"), nameserver, more=dict(SETTINGS))
    make_database(made.settings, now=SystemClock().now()).engine.dispose()
    yield made
    made.close()


@pytest.fixture
def forked(own_home, tmp_path, sink):
    own_home.agent(HOOK, webhook=sink.url("/hook"))
    daemon = ForkedDaemon(own_home.environment, log=tmp_path / "log", armed=tmp_path / "armed")
    yield daemon
    daemon.kill()


async def one_sender(daemon):
    """Send until the daemon is dead; what was promised."""
    load = Load([HOOK])
    load.start(daemon.smtp, 1)
    await asyncio.to_thread(load.join)
    return load


async def settled(home):
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(delivery.status == "pending" for delivery in home.deliveries()):  # noqa: ASYNC110 (another process's)
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_a_daemon_killed_after_the_commit_and_before_the_post_posts_at_its_next_start(
    own_home, sink, forked, tmp_path
):
    await forked.start()
    (tmp_path / "armed").write_text("after the commit of a mail")
    load = await one_sender(forked)
    forked.kill()
    (waiting,) = own_home.deliveries()
    assert ("pending", 0, [], []) == (waiting.status, waiting.attempts, load.accepted, sink.posted)
    assert waiting.due_at > waiting.created_at

    await forked.start()
    (posted,) = await sink.got(1)
    await settled(own_home)

    assert posted.webhook_id == waiting.event_id


@pytest.mark.timeout(120)
async def test_a_daemon_killed_after_the_post_and_before_the_record_posts_once_more(own_home, sink, forked):
    await forked.start()

    async def kill_at_the_answer():
        await sink.got(1)
        forked.kill()

    sink.hang("/hook")
    killing = asyncio.create_task(kill_at_the_answer())
    await one_sender(forked)
    await killing
    sink.let_go("/hook")
    first = {posted.webhook_id for posted in sink.posted}

    await forked.start()
    await settled(own_home)
    before = len(sink.posted)
    assert await asyncio.to_thread(forked.terminate) == 0
    await forked.start()
    await settled(own_home)

    assert first <= {delivery.event_id for delivery in own_home.deliveries()}
    assert {delivery.event_id for delivery in own_home.deliveries()} == {posted.webhook_id for posted in sink.posted}
    assert before == len(sink.posted)
