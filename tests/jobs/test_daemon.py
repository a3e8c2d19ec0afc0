"""The daemon obeys the clock while its doors are open."""

import asyncio

import pytest

from relay.clock import SystemClock
from store.messages import KEPT_FOR
from tests.fakes import FakeClock
from tests.journeys.home import BOT, Home
from tests.places import Places


@pytest.fixture
def home(tmp_path, database_url):
    nobody = "127.0.0.1:9"  # no mail comes, so nobody is asked
    made = Home(tmp_path / "data", database_url, nobody, {"MAILSEAL_RETENTION_SWEEP_SECONDS": "0.05"})
    yield made
    made.close()


async def test_a_running_daemon_removes_what_is_past_its_time(home, master):
    home.agent()
    then = FakeClock(SystemClock().now() - KEPT_FOR)
    home.store.run(lambda tx: Places(then, master).message(tx, BOT))

    async with home.daemon() as relay, asyncio.timeout(20):
        count = b'mailseal_removed_rows_total{kind="messages"} 1.0'
        while count not in relay.daemon._metrics.render():  # noqa: ASYNC110 (counters have no event)
            await asyncio.sleep(0.01)
