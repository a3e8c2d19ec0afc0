"""Threads for hand-overs: a stop ends what waits, and lets go on what has begun."""

import asyncio
import threading

import pytest

from relay.errors import CourierBusy
from relay.outbound.couriers.handover_threads import HandoverThreads


@pytest.fixture
async def threads():
    made = HandoverThreads("test", at_once=1)
    yield made
    await made.close()


async def test_one_that_waits_for_a_thread_at_a_stop_is_never_begun(threads):
    gate, begun = threading.Event(), []

    def call():
        begun.append(1)
        gate.wait(10)
        return "handed over"

    first = asyncio.ensure_future(threads.hand_over(call))
    second = asyncio.ensure_future(threads.hand_over(call))
    await asyncio.sleep(0.05)
    threads.stop_accepting()
    with pytest.raises(CourierBusy):
        await asyncio.wait_for(second, 1)
    gate.set()

    assert ("handed over", [1]) == (await first, begun)


async def test_a_block_that_waits_when_the_stop_comes_ends_as_busy(threads):
    async def wait():
        async with threads.waiting():
            await asyncio.Event().wait()

    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    threads.stop_accepting()

    with pytest.raises(CourierBusy):
        await asyncio.wait_for(waiting, 1)


async def test_a_timeout_of_the_work_itself_stays_a_timeout(threads):
    with pytest.raises(TimeoutError):
        async with threads.waiting():
            raise TimeoutError
