"""How late the event loop is, and the watchdog that it feeds."""

import asyncio
import time

from structlog.testing import capture_logs

from relay.loop_watch import LoopWatch


async def test_a_free_loop_has_a_short_delay_and_a_blocked_one_is_told():
    watch = LoopWatch()
    watch.start()
    await asyncio.sleep(0)
    assert watch.longest() < 0.5

    with capture_logs() as lines:
        time.sleep(1.8)  # noqa: ASYNC251 (blocks the loop, which is the point)
        await asyncio.sleep(0.01)
    watch.stop()

    assert watch.longest() >= 1.0
    assert ["loop_blocked"] == [line["event"] for line in lines]


async def test_the_watchdog_is_fed_at_least_every_half_of_its_time():
    fed = []
    watch = LoopWatch(watchdog=0.4, notify=lambda state: fed.append((asyncio.get_running_loop().time(), state)))
    watch.start()
    async with asyncio.timeout(20):
        while len(fed) < 4:  # noqa: ASYNC110 (the watch has no event)
            await asyncio.sleep(0.02)
    watch.stop()

    assert {"WATCHDOG=1"} == {state for _, state in fed}


async def test_a_blocked_loop_feeds_no_watchdog():
    fed = []
    watch = LoopWatch(watchdog=0.2, notify=fed.append)
    watch.start()
    before = len(fed)
    time.sleep(0.6)  # noqa: ASYNC251 (blocks the loop, which is the point)

    assert before == len(fed)
    watch.stop()


async def test_without_a_watchdog_none_is_fed():
    fed = []
    watch = LoopWatch(notify=fed.append)
    watch.start()
    await asyncio.sleep(0.05)
    watch.stop()

    assert [] == fed


def test_a_delay_is_remembered_for_a_minute_and_the_longest_counts():
    watch = LoopWatch()
    for now, lag in ((0.0, 0.3), (10.0, 0.1), (20.0, 0.2)):
        watch._note(now, lag)
    assert 0.3 == watch.longest()
    watch._note(61.0, 0.0)

    assert 0.2 == watch.longest()
