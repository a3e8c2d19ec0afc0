"""Open doors: over both databases, and over SQLite alone where the database makes no difference."""

import pytest

from tests.places import Places
from tests.web.client import Door


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)


@pytest.fixture
async def door(live_store, clock, places):
    opened = Door(live_store, clock, places)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_door(sqlite_store, clock, places):
    opened = Door(sqlite_store, clock, places)
    await opened.open()
    yield opened
    await opened.close()
