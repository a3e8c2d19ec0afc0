"""One question for as many followers as ask at the same moment."""

import asyncio

import pytest
from sqlalchemy import event

from relay.directory.keys import create_key
from relay.inbox.pulses import Pulses
from store.directory.keys import delete_api_key
from store.errors import Unavailable
from store.mail.events_feed import Follower
from tests.broken_store import lose_table
from tests.places import Places

BOTS = [f"bot{number}@agents.example" for number in range(30)]


@pytest.fixture
async def followers(live_store, clock, master):
    """One of each agent, by one key."""
    places = Places(clock, master)

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        key, _ = create_key(tx, user.id, name="", now=clock.now())
        made = [places.agent(tx, user, address) for address in BOTS]
        return [Follower(agent=bot.address, made_at=bot.created_at, user_id=user.id, key_id=key.id) for bot in made]

    return await live_store.write(unit)


async def test_all_who_ask_at_once_cost_one_question(live_store, followers, clock, master):
    await live_store.write(lambda tx: Places(clock, master).message(tx, BOTS[7]))
    asked = []
    event.listen(live_store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    pulses = Pulses(live_store)

    found = await asyncio.gather(*[pulses.of(follower) for follower in followers])

    assert [int(number == 7) for number in range(30)] == [pulse.place for pulse in found]
    assert 2 == sum(statement.startswith("SELECT") for statement in asked)


async def test_who_asks_later_gets_an_answer_of_then(live_store, followers):
    pulses = Pulses(live_store)
    assert await pulses.of(followers[0]) is not None
    await live_store.write(lambda tx: delete_api_key(tx, followers[0].user_id, followers[0].key_id))

    assert [None, None] == await asyncio.gather(*[pulses.of(follower) for follower in followers[:2]])


async def test_who_goes_takes_nobody_elses_answer_away(live_store, followers):
    pulses = Pulses(live_store)
    tasks = [asyncio.create_task(pulses.of(follower)) for follower in followers[:3]]
    await asyncio.sleep(0)
    tasks[0].cancel()

    assert all(await asyncio.gather(*tasks[1:]))
    assert tasks[0].cancelled()


async def test_a_store_that_does_not_answer_is_told_to_all_who_asked(live_store, followers):
    lose_table(live_store, "api_keys")
    pulses = Pulses(live_store)

    found = await asyncio.gather(*[pulses.of(follower) for follower in followers[:3]], return_exceptions=True)

    assert {Unavailable} == {type(error) for error in found}
