import asyncio

import psycopg
import pytest

from store.database import pg_listener as listen
from store.database.connect import open_store
from store.database.pg_limits import KEEPALIVE
from store.database.pg_listener import PgListener, listener_for
from store.database.sqlite_watcher import SqliteWatcher
from store.directory.agents import delete_agent, update_agent_mode
from store.directory.keys import create_api_key, delete_api_key
from store.upkeep.erasure import delete_user_data
from store.wake import INBOX, KEYS, Notifier
from tests.store.gate import PATIENCE_SECONDS, Gate, eventually, in_one_group
from tests.store.notes import note, noted
from tests.store.test_engine import Mishap


def rings(topic, *, then=None):
    def unit(tx):
        tx.wake(topic)
        if then is not None:
            raise then

    return unit


async def rung(event):
    async with asyncio.timeout(PATIENCE_SECONDS):
        await event.wait()
    return True


@pytest.fixture
def heard(notes):
    """Every topic that rings, in order."""
    topics = []
    notes.notifier.subscribe(lambda found: topics.extend(sorted(found)))
    return topics


def test_a_notifier_wakes_everybody_who_waits_for_the_topic_and_nobody_else():
    notifier = Notifier()
    with notifier.waiting("a") as one, notifier.waiting("a") as two, notifier.waiting("b") as other:
        notifier.notify(["a", "c"])

        assert [True, True, False] == [one.is_set(), two.is_set(), other.is_set()]


def test_a_notifier_rung_before_anybody_waits_wakes_nobody():
    notifier = Notifier()
    notifier.notify(["a"])

    with notifier.waiting("a") as event:
        assert not event.is_set()


def test_a_notifier_rung_after_the_waiting_wakes_nobody():
    notifier = Notifier()
    with notifier.waiting("a") as event:
        pass

    notifier.notify(["a"])

    assert not event.is_set()


def test_a_notifier_remembers_no_topic_that_nobody_waits_for():
    notifier = Notifier()
    with notifier.waiting("a"), notifier.waiting("a"):
        pass

    assert {} == notifier._waiting


def test_who_waits_for_several_topics_is_woken_by_any_of_them():
    notifier = Notifier()
    with notifier.waiting("a", "b") as both, notifier.waiting("a") as one:
        notifier.notify(["b"])

        assert [True, False] == [both.is_set(), one.is_set()]
    assert {} == notifier._waiting


def test_all_who_wait_can_be_woken_at_once():
    notifier = Notifier()
    with notifier.waiting("a") as one, notifier.waiting("b", "c") as other:
        notifier.wake_all()

        assert [True, True] == [one.is_set(), other.is_set()]


def test_a_notifier_lists_the_topics_with_waiters():
    notifier = Notifier()
    with notifier.waiting("a", "b"):
        assert {"a", "b"} == notifier.topics()

    assert set() == notifier.topics()


async def test_a_notifier_tells_when_there_is_a_waiter():
    notifier = Notifier()
    asking = asyncio.create_task(notifier.wait_for_waiter())
    await asyncio.sleep(0)
    assert not asking.done()

    with notifier.waiting("a"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asking

    assert not notifier._has_waiters.is_set()


def test_a_notifier_tells_subscribers_all_topics_at_once():
    notifier, heard = Notifier(), []
    notifier.subscribe(heard.append)

    notifier.notify(["a", "b"])

    assert [{"a", "b"}] == heard


async def test_a_commit_wakes_who_waits(notes):
    with notes.notifier.waiting("inbox:a") as event:
        await notes.write(rings("inbox:a"))

        assert await rung(event)


async def test_nobody_is_woken_before_the_commit(notes):
    gate = Gate(rings("inbox:a"))
    with notes.notifier.waiting("inbox:a") as event:
        writing = asyncio.ensure_future(notes.write(gate.unit))
        await gate.is_reached()
        await notes.read(noted)  # there and back: the loop has had its turn

        assert not event.is_set()

        gate.open()
        await writing
        assert await rung(event)


async def test_the_topic_of_a_unit_that_failed_is_not_rung(notes, heard):
    with pytest.raises(Mishap):
        await notes.write(rings("bad", then=Mishap()))
    await notes.write(rings("good"))

    assert ["good"] == heard


async def test_the_topics_of_failed_units_are_left_out_of_their_groups(notes, heard):
    await in_one_group(notes.write, rings("one"), rings("bad", then=Mishap()), rings("two"))

    assert ["one", "two"] == heard


async def test_a_reader_wakes_nobody(notes, heard):
    await notes.read(rings("inbox:a"))

    assert [] == heard


def listening(url):
    """The number of the server's process that listens, once there is one."""

    def look():
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            ).fetchone()
        return row and row[0]

    return look


async def test_a_commit_in_another_process_wakes_who_waits_here_and_again_after_the_line_was_cut(
    postgres_notes, postgres_url
):
    here = open_store(postgres_url)
    commit_listener = PgListener(here.engine, here.notifier)
    commit_listener.start()
    try:
        first = await asyncio.to_thread(eventually, listening(postgres_url), of_what="a listener")
        with here.notifier.waiting("inbox:a") as event:
            await in_one_group(postgres_notes.write, rings("inbox:a"), rings("inbox:b", then=Mishap()))
            assert await rung(event)

        def other_ear():
            now = listening(postgres_url)()
            return now if now != first else None

        with psycopg.connect(postgres_url, autocommit=True) as operator:
            operator.execute("SELECT pg_terminate_backend(%s, 10000)", [first])
        with here.notifier.waiting("inbox:b") as missed:
            await asyncio.to_thread(eventually, other_ear, of_what="a new listener")
            assert await rung(missed)  # of what was committed meanwhile nobody has told
        with here.notifier.waiting("inbox:a") as event:
            await postgres_notes.write(rings("inbox:a"))
            assert await rung(event)
    finally:
        await commit_listener.stop()
        here.engine.dispose()


def test_a_listener_that_is_cut_off_hears_again_before_long():
    assert listen._RECONNECT_SECONDS <= 2
    assert KEEPALIVE["keepalives_idle"] + 3 * KEEPALIVE["keepalives_interval"] <= 15


def test_each_database_is_listened_to_in_its_own_way(store):
    kinds = {"sqlite": SqliteWatcher, "postgresql": PgListener}

    assert isinstance(listener_for(store), kinds[store.engine.dialect.name])


async def test_a_unit_that_failed_wakes_no_other_process(postgres_notes, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as commit_listener:
        commit_listener.execute("LISTEN mailseal")
        await in_one_group(postgres_notes.write, rings("bad", then=Mishap()), rings("good"))

        heard = [notice.payload for notice in commit_listener.notifies(timeout=PATIENCE_SECONDS, stop_after=1)]

    assert ["good"] == heard


async def test_nobody_elsewhere_is_told_of_a_commit_that_failed(postgres_notes, postgres_url):
    def breaks(tx):
        tx.wake("bad")
        note(1, parent=404)(tx)

    with psycopg.connect(postgres_url, autocommit=True) as commit_listener:
        commit_listener.execute("LISTEN mailseal")
        await asyncio.gather(postgres_notes.write(breaks), return_exceptions=True)
        await postgres_notes.write(rings("good"))

        heard = [notice.payload for notice in commit_listener.notifies(timeout=PATIENCE_SECONDS, stop_after=1)]

    assert ["good"] == heard


def topics_of(store, unit):
    """What *unit* wakes."""

    def look(tx):
        unit(tx)
        return tx.topics

    return store.run(look)


def test_what_ends_a_stream_wakes_it(store, places, poll, clock):
    def key(tx):
        return create_api_key(tx, poll.user_id, key_hash="0" * 64, prefix="mk_", name="", now=clock.now()).id

    made = store.run(key)

    assert {KEYS + made} == topics_of(store, lambda tx: delete_api_key(tx, poll.user_id, made))
    assert INBOX + poll.address in topics_of(store, lambda tx: delete_agent(tx, poll.user_id, poll.address))


def test_who_follows_an_agent_of_a_user_that_goes_is_woken(store, poll):
    assert INBOX + poll.address in topics_of(store, lambda tx: delete_user_data(tx, poll.user_id))


def test_what_falls_to_the_queue_wakes_who_waits_for_a_lease(store, hook, clock):
    def unit(tx):
        update_agent_mode(tx, hook.user_id, hook.address, "poll", now=clock.now())

    assert INBOX + hook.address in topics_of(store, unit)
