"""Letters to an agent that asks for them itself."""

import asyncio

import pytest

from tests.journeys.home import BOT
from tests.journeys.sender import letter, sent, signed_letter

TOPIC = f"inbox:{BOT}"


@pytest.fixture
def bot(home):
    home.agent()


async def until_it_waits(relay):
    """Return once a poller of the agent waits in this daemon."""
    async with asyncio.timeout(20):
        while TOPIC not in relay.daemon.store.notifier._waiting:  # noqa: ASYNC110 (the bell has no event for it)
            await asyncio.sleep(0.01)


async def test_a_poller_takes_a_letter_and_says_so_and_it_is_gone(home, bot):
    async with home.daemon() as relay, home.poller(relay.http) as agent:
        (message_id,) = await sent(relay.smtp, signed_letter(), BOT)
        (item,) = await agent.lease()

        assert (message_id, 1) == (item["message"]["message_id"], item["attempt"])
        assert (True, "example.com") == (item["message"]["verified"], item["message"]["verified_domain"])
        assert 200 == await agent.ack([item])
        assert [] == await agent.lease()


async def test_a_poller_that_says_nothing_gets_the_letter_again(home, bot, clock):
    home.clock = clock
    async with home.daemon() as relay, home.poller(relay.http) as agent:
        (message_id,) = await sent(relay.smtp, letter(), BOT)
        (first,) = await agent.lease(seconds=60)
        assert [] == await agent.lease()
        clock.advance(seconds=60)
        (second,) = await agent.lease(seconds=60)

        assert [message_id] * 2 == [item["message"]["message_id"] for item in (first, second)]
        assert (1, 2) == (first["attempt"], second["attempt"])
        assert 409 == await agent.ack([first])
        assert 200 == await agent.ack([second])
        clock.advance(seconds=60)
        assert [] == await agent.lease()


async def test_two_pollers_never_get_the_same_letter(home, bot):
    async with home.daemon() as relay, home.poller(relay.http) as one, home.poller(relay.http) as two:
        ids = [(await sent(relay.smtp, letter(number), BOT))[0] for number in range(20)]
        one_has, two_has = await asyncio.gather(drain(one), drain(two))

    assert sorted(ids) == sorted(one_has + two_has)


async def drain(agent):
    """The ids of everything one poller gets, one by one."""
    found = []
    while items := await agent.lease():
        found += [item["message"]["message_id"] for item in items]
    return found


async def test_a_poller_that_waits_is_woken_by_the_letter(home, bot):
    async with home.daemon() as relay, home.poller(relay.http) as agent:
        waiting = asyncio.create_task(agent.lease(wait=60))
        await until_it_waits(relay)
        (message_id,) = await sent(relay.smtp, letter(), BOT)
        async with asyncio.timeout(4):  # before it would look again by itself
            (item,) = await waiting

    assert message_id == item["message"]["message_id"]


async def test_a_poller_at_one_daemon_is_woken_by_a_letter_to_another(postgres_home):
    postgres_home.agent()
    home = postgres_home
    async with home.daemon() as here, home.daemon() as there, home.poller(here.http) as agent:
        waiting = asyncio.create_task(agent.lease(wait=60))
        await until_it_waits(here)
        (message_id,) = await sent(there.smtp, letter(), BOT)
        async with asyncio.timeout(4):
            (item,) = await waiting

    assert message_id == item["message"]["message_id"]


async def test_two_pollers_at_two_daemons_never_get_the_same_letter(postgres_home):
    postgres_home.agent()
    async with postgres_home.daemon() as here, postgres_home.daemon() as there:
        ids = [(await sent(here.smtp, letter(number), BOT))[0] for number in range(20)]
        async with postgres_home.poller(here.http) as one, postgres_home.poller(there.http) as two:
            one_has, two_has = await asyncio.gather(drain(one), drain(two))

    assert sorted(ids) == sorted(one_has + two_has)
