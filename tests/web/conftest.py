"""Open doors: over both databases, and over SQLite alone where the database makes no difference."""

import pytest
import pytest_asyncio

from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import open_store, sqlite_url
from tests.fakes import FakeClock
from tests.places import Places
from tests.web.client import WITH_FILES, serve_api


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)


@pytest.fixture
async def api_server(live_store, clock, places):
    async with serve_api(live_store, clock, places) as opened:
        yield opened


@pytest.fixture
async def sqlite_api(sqlite_store, clock, places):
    async with serve_api(sqlite_store, clock, places) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_api(tmp_path_factory):
    """A door with an agent and an unread message, shared by tests that change nothing."""
    store = open_store(sqlite_url(tmp_path_factory.mktemp("still") / "mailseal.db"))
    migrate.upgrade(store.engine)
    store.start()
    clock = FakeClock()
    async with serve_api(store, clock, Places(clock, master_key(b"a master key for tests only"))) as opened:
        await opened.agent()
        opened.message_id = (await opened.message(WITH_FILES)).id
        yield opened
    await store.stop()
