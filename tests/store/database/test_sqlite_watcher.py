"""SQLite's commits elsewhere, brought here by one look for everybody who waits."""

import asyncio

import pytest
from sqlalchemy import event

from store.database.connect import open_store
from store.database.sqlite_watcher import POLL_SECONDS, SqliteWatcher, list_changed_agents, list_revoked_keys
from store.directory.agents import delete_agent
from store.directory.keys import create_api_key, delete_api_key
from store.wake import INBOX, KEYS
from tests.places import Places
from tests.store.gate import PATIENCE_SECONDS

BOT = "poll@agents.example"
OTHER = "other@agents.example"


@pytest.fixture
def places(clock, master):
    return Places(clock, master)


@pytest.fixture
async def here(sqlite_store, places):
    """A store with two agents that has a watcher."""
    agent = await sqlite_store.write(lambda tx: places.poll_agent(tx, BOT))
    await sqlite_store.write(lambda tx: places.agent(tx, places.user(tx), OTHER))
    sqlite_store.owner, sqlite_store.watcher = agent.user_id, SqliteWatcher(sqlite_store)
    sqlite_store.watcher.start()
    yield sqlite_store
    await sqlite_store.watcher.stop()


@pytest.fixture
def there(sqlite_file_url, here):
    """Another process's store on the same file."""
    opened = open_store(sqlite_file_url)
    yield opened
    opened.engine.dispose()


async def rung(changed):
    async with asyncio.timeout(PATIENCE_SECONDS):
        await changed.wait()
    changed.clear()
    return True


async def settled(store, *waiting):
    """Return once the watcher has seen everything there is, and nobody is rung any more."""
    while True:
        for changed in waiting:
            changed.clear()
        await asyncio.sleep(POLL_SECONDS * 3)
        if not any(changed.is_set() for changed in waiting):
            return


async def test_a_message_kept_elsewhere_wakes_who_waits_for_it_again_and_again(here, there, places):
    with here.notifier.waiting(INBOX + BOT) as changed:
        await settled(here, changed)
        for _ in range(3):
            there.run(lambda tx: places.message(tx, BOT))

            assert await rung(changed)


async def test_a_message_kept_elsewhere_wakes_nobody_else(here, there, places):
    with here.notifier.waiting(INBOX + BOT) as changed, here.notifier.waiting(INBOX + OTHER) as other:
        there.run(lambda tx: places.message(tx, BOT))
        await settled(here, changed, other)
        there.run(lambda tx: places.message(tx, BOT))

        assert await rung(changed)
        await settled(here, changed)
        assert not other.is_set()


async def test_what_was_kept_while_nobody_waited_is_looked_at_by_who_comes_then(here, there, places):
    with here.notifier.waiting(INBOX + BOT) as changed:
        await settled(here, changed)
    there.run(lambda tx: places.message(tx, BOT))
    with here.notifier.waiting(INBOX + BOT) as changed:
        assert await rung(changed)  # it may have looked before or after: nobody knows


async def test_an_agent_that_goes_elsewhere_wakes_who_waits_for_it_once(here, there):
    with here.notifier.waiting(INBOX + BOT) as changed, here.notifier.waiting(INBOX + OTHER) as other:
        await settled(here, changed, other)
        there.run(lambda tx: delete_agent(tx, here.owner, BOT))
        assert await rung(changed)

        there.run(lambda tx: delete_agent(tx, here.owner, OTHER))

        assert await rung(other)
        assert not changed.is_set()


async def test_a_key_revoked_elsewhere_wakes_who_waits_for_that(here, there, clock):
    def key(tx, name):
        return create_api_key(tx, here.owner, key_hash=name * 64, prefix="mk_", name=name, now=clock.now()).id

    one, two = await here.write(lambda tx: (key(tx, "1"), key(tx, "2")))
    with here.notifier.waiting(KEYS + one) as changed, here.notifier.waiting(KEYS + two) as other:
        await settled(here, changed, other)
        there.run(lambda tx: delete_api_key(tx, here.owner, one))

        assert await rung(changed)
        assert not other.is_set()


async def test_a_thousand_who_wait_ask_the_database_nothing(here):
    asked = []
    event.listen(here.engine, "before_cursor_execute", lambda _c, _k, statement, *_: asked.append(statement))
    waiting = [here.notifier.waiting(f"{INBOX}{number}@agents.example") for number in range(1000)]
    for each in waiting:
        each.__enter__()
    await asyncio.sleep(POLL_SECONDS * 3)  # one look at what was committed before
    asked.clear()
    here.watcher._connection.connection.dbapi_connection.set_trace_callback(asked.append)
    await asyncio.sleep(POLL_SECONDS * 5)

    assert {"PRAGMA data_version"} == set(asked)
    assert len(asked) <= 6
    for each in waiting:
        each.__exit__(None, None, None)


async def test_nobody_is_looked_for_while_nobody_waits(here):
    asked = []
    with here.notifier.waiting(INBOX + BOT) as changed:
        await settled(here, changed)
        here.watcher._connection.connection.dbapi_connection.set_trace_callback(asked.append)
    await asyncio.sleep(POLL_SECONDS)  # a look that had begun
    asked.clear()
    await asyncio.sleep(POLL_SECONDS * 3)

    assert [] == asked


async def test_a_line_to_the_file_that_broke_is_opened_again_and_everybody_looks(here, there, places):
    with here.notifier.waiting(INBOX + BOT) as changed:
        await settled(here, changed)
        here.watcher._connection.connection.dbapi_connection.close()
        there.run(lambda tx: places.message(tx, BOT))
        assert await rung(changed)
        await settled(here, changed)

        there.run(lambda tx: places.message(tx, BOT))
        assert await rung(changed)


async def test_a_watcher_outlives_a_store_that_does_not_answer(sqlite_store, places, sqlite_file_url):
    with open_store(sqlite_file_url).engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE agents RENAME TO elsewhere")
    watcher = SqliteWatcher(sqlite_store)
    watcher.start()
    with sqlite_store.notifier.waiting(INBOX + BOT) as changed:
        await asyncio.sleep(POLL_SECONDS * 3)
        with open_store(sqlite_file_url).engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO agents")

        assert await rung(changed)
    await watcher.stop()


async def test_moved_are_those_whose_place_is_another_and_those_that_are_gone(here, places):
    await here.write(lambda tx: [places.message(tx, BOT) for _ in range(2)])

    def unit(tx):
        return [
            list_changed_agents(tx, known) for known in ({BOT: 2, OTHER: 0}, {BOT: 1, OTHER: -1, "x": 1, "y": None}, {})
        ]

    assert [{}, {BOT: 2, OTHER: 0, "x": None}, {}] == await here.read(unit)


async def test_revoked_are_ids_that_no_key_has(here):
    assert [["key_0"], []] == await here.read(lambda tx: [list_revoked_keys(tx, ["key_0"]), list_revoked_keys(tx, [])])
