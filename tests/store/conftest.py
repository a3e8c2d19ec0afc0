"""Stores with something in them, and agents to start from."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.database.connect import database_file, open_store
from store.directory.users import bootstrap_user
from store.engine import Store
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message, get_outbound_message
from store.records.mail import Agent
from tests.places import Places, keep_message, new_message, new_outbound
from tests.store.notes import make_notes
from tests.store.owned import own_everything


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)


@pytest.fixture
async def notes(live_store) -> Store:
    """A live store with a table of the test's own, on both databases."""
    await live_store.write(make_notes)
    return live_store


@pytest.fixture
async def sqlite_notes(sqlite_store) -> Store:
    """The same on SQLite alone."""
    await sqlite_store.write(make_notes)
    return sqlite_store


@pytest.fixture
async def postgres_notes(postgres_url) -> AsyncIterator[Store]:
    """The same on PostgreSQL alone."""
    opened = open_store(postgres_url)
    opened.start()
    await opened.write(make_notes)
    yield opened
    await opened.stop()


@pytest.fixture
def beside(database_url, store) -> Iterator[Store]:
    """A second process's store on the database of *store*."""
    opened = open_store(database_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def poll(store, places) -> Agent:
    """An agent that polls."""
    return store.run(places.poll_agent)


@pytest.fixture
def hook(store, places) -> Agent:
    """An agent with a webhook, on the domain of *poll* and of the same user."""

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return places.agent(tx, user, "hook@agents.example", webhook="https://hooks.example/in")

    return store.run(unit)


@pytest.fixture
def other(store, places, poll):
    return store.run(lambda tx: places.agent(tx, places.user(tx), "other@agents.example"))


@pytest.fixture
def arrive(store, clock):
    """Has one mail arrive for an agent."""

    def keep(agent, raw=b"Subject: hi\r\n\r\nhello\r\n", **changes):
        new = new_message(agent.address, raw, at=clock.now(), **changes)
        return store.run(lambda tx: keep_message(tx, new, raw))

    return keep


@pytest.fixture
def compose(store, poll, clock):
    """Has the polling agent write a mail: held for *ttl* seconds, or queued."""

    def keep(*, ttl=None, agent=poll.address, **changes):
        new = new_outbound(agent, at=clock.now(), **changes)
        if ttl is None:
            return store.run(lambda tx: create_outbound_message(tx, new))
        return store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl))

    return keep


@pytest.fixture
def stranger(store, clock):
    """Another user, with nothing."""
    return store.run(lambda tx: bootstrap_user(tx, "eve@stranger.example", now=clock.now()))


@pytest.fixture
def state(store):
    """Whatever is known of an outbound message, whoever asks."""
    return lambda message: store.run(lambda tx: get_outbound_message(tx, message.id))


@pytest.fixture
def whole(sqlite_file_url, places):
    """A SQLite store with rows in every table."""
    store = open_store(sqlite_file_url)
    own_everything(store, places, "ana@owner.example", "agents.example")
    yield store
    store.engine.dispose()


@pytest.fixture
def database(sqlite_file_url) -> Path:
    return database_file(sqlite_file_url)


@pytest.fixture
def ana(store, clock):
    return store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))


@pytest.fixture
def bo(store, clock):
    return store.run(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))
