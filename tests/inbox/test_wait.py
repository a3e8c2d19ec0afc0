"""Long polling: queried again when a commit notifies, and not before."""

import asyncio

from relay.inbox.wait import wait_for
from store.wake import INBOX, Notifier

AGENT = "bot@agents.example"
PATIENCE = 10  # seconds that nothing here should take


class Looks:
    """Answers one value after the other, and tells when it is asked."""

    def __init__(self, *values, ring=lambda: None):
        self.values, self.ring = list(values), ring
        self.count = 0
        self.asked = asyncio.Event()

    async def __call__(self):
        self.count += 1
        self.asked.set()
        self.ring()
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


def waiting(look, notifier, seconds=60, **more):
    return asyncio.create_task(wait_for(look, bool, agent=AGENT, wait_seconds=seconds, notifier=notifier, **more))


async def test_what_is_there_is_answered_at_once():
    look = Looks([1])

    assert [1] == await waiting(look, Notifier())
    assert 1 == look.count


async def test_without_waiting_it_is_looked_at_once():
    look = Looks([])

    assert [] == await waiting(look, Notifier(), 0)
    assert 1 == look.count


async def test_a_ring_makes_it_look_again():
    notifier, look = Notifier(), Looks([], [1])
    waiter = waiting(look, notifier)
    await look.asked.wait()
    await asyncio.sleep(0)

    notifier.notify([INBOX + AGENT])

    async with asyncio.timeout(4):
        assert [1] == await waiter


async def test_a_ring_while_looking_is_not_slept_through():
    notifier = Notifier()
    look = Looks([], [1], ring=lambda: notifier.notify([INBOX + AGENT]))

    async with asyncio.timeout(4):
        assert [1] == await waiting(look, notifier)


async def test_a_ring_for_another_agent_does_not_wake():
    notifier, look = Notifier(), Looks([], [1])
    waiter = waiting(look, notifier, 0.2)
    await look.asked.wait()

    notifier.notify([INBOX + "other@agents.example"])
    await asyncio.sleep(0)

    assert 1 == look.count
    assert [1] == await waiter


async def test_a_ring_without_anything_found_goes_on_waiting():
    notifier, look = Notifier(), Looks([], [], [1])
    waiter = waiting(look, notifier)
    async with asyncio.timeout(PATIENCE):
        while look.count < 3 and not waiter.done():
            notifier.notify([INBOX + AGENT])
            await asyncio.sleep(0)

        assert [1] == await waiter


async def test_nothing_is_looked_at_while_nothing_rings():
    look = Looks([])

    assert [] == await waiting(look, Notifier(), 0.2)
    assert 2 == look.count  # at the beginning, and when the time is over


async def test_it_is_looked_at_again_when_the_last_look_said_so():
    look = Looks([], [], [1])

    async with asyncio.timeout(PATIENCE):
        assert [1] == await waiting(look, Notifier(), again=lambda seen: 0.01)


async def test_when_the_time_is_over_the_last_look_is_the_answer():
    async with asyncio.timeout(PATIENCE):
        assert [] == await waiting(Looks([]), Notifier(), 0.01)


async def test_who_goes_away_waits_no_more():
    notifier, look = Notifier(), Looks([])
    waiter = waiting(look, notifier)
    await look.asked.wait()

    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)

    assert not notifier._waiting


async def test_nothing_is_looked_at_for_somebody_who_left():
    notifier, look = Notifier(), Looks([], [1])

    async def has_left():
        return True

    waiter = asyncio.create_task(
        wait_for(look, bool, agent=AGENT, wait_seconds=60, notifier=notifier, has_left=has_left)
    )
    await look.asked.wait()
    await asyncio.sleep(0)
    notifier.notify([INBOX + AGENT])

    assert [] == await waiter
    assert 1 == look.count
