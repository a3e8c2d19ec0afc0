import pytest

from store.directory.users import bootstrap_user
from store.records.mail import Agent
from tests.places import Places


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)


@pytest.fixture
async def poll(live_store, places) -> Agent:
    return await live_store.write(places.poll_agent)


@pytest.fixture
async def user(live_store, poll, clock):
    """The owner of that agent."""
    return await live_store.write(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))
