"""The rounds that remove, over both databases; how long a batch took is the test's own to say."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import asyncio
from collections import Counter
from hashlib import sha256
from itertools import pairwise

import pytest
from sqlalchemy import func, insert, select, update
from structlog.testing import capture_logs

from relay.jobs.retention import FIRST_ROWS, TARGET_SECONDS, Cleaning
from store.database.connect import open_store
from store.directory.idempotency import begin_request
from store.directory.sessions import create_user_session
from store.directory.used_links import use_link
from store.errors import Unavailable
from store.mail.bodies import CHUNK_BYTES, keep_body, keep_chunk, read_body
from store.mail.messages import KEPT_FOR, create_inbound_message
from store.schema.inbound import (
    agents,
    bodies,
    body_chunks,
    deliveries,
    delivery_attempts,
    idempotency_keys,
    messages,
    usage_events,
    user_sessions,
)
from store.schema.outbound import notifications, used_links
from tests.places import new_message

OVER = KEPT_FOR.total_seconds()


class Stopwatch:
    """Says of everything that it took so many seconds."""

    def __init__(self):
        self.took, self._at = 0.0, 0.0

    def __call__(self):
        self._at += self.took
        return self._at


class Rests:
    """Does not rest; remembers for how long it was to, and what *look* saw then."""

    def __init__(self):
        self.seconds, self.seen = [], []
        self.look = None

    async def __call__(self, stop, seconds):
        await asyncio.sleep(0)
        self.seconds.append(seconds)
        if self.look is not None:
            self.seen.append(await self.look(stop))


@pytest.fixture
def removed():
    return Counter()


@pytest.fixture
def stopwatch():
    return Stopwatch()


@pytest.fixture
def rests():
    return Rests()


@pytest.fixture
def make(clock, removed, stopwatch, rests):
    def cleaning(store):
        count = lambda kind, rows: removed.update({kind: rows})  # noqa: E731
        return Cleaning(store=store, clock=clock, count=count, stopwatch=stopwatch, rest=rests)

    return cleaning


@pytest.fixture
def cleaning(make, live_store):
    return make(live_store)


@pytest.fixture
def arrive(live_store, places, poll):
    """Has so many mails arrive, of contents of their own."""

    async def keep(count, word=b"mail"):
        def unit(tx):
            return [places.message(tx, poll.address, b"Subject: %s %d\r\n\r\n" % (word, n)).id for n in range(count)]

        return await live_store.write(unit)

    return keep


@pytest.fixture
def count_of(live_store):
    return lambda table: live_store.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one())


async def clean(cleaning, stop=None):
    with capture_logs() as lines:
        await cleaning.remove_expired(stop or asyncio.Event())
    return lines


# A round


async def test_a_round_removes_whatever_is_past_its_time_and_says_so_in_one_line(
    live_store, cleaning, removed, arrive, poll, user, clock, count_of
):
    def unit(tx):
        create_user_session(tx, user.id, token_hash="0" * 64, now=clock.now())
        begin_request(tx, user.id, "key", "0" * 64, now=clock.now())
        use_link(tx, "0" * 64, user.id, clock.now())
        values = {"event_type": "email.sent", "agent": poll.address, "due_at": clock.now(), "created_at": clock.now()}
        settled = {"id": "dlv_1", "event_id": "evt_1", "status": "dead", "settled_at": clock.now()}
        lively = {"id": "dlv_2", "event_id": "evt_2", "status": "pending", "settled_at": None}
        tx.execute(insert(deliveries), [values | settled, values | lively])
        letter = {"id": "ltr_1", "user_id": user.id, "kind": "sign_in", "status": "sent", "settled_at": clock.now()}
        tx.execute(insert(notifications), letter | {"due_at": clock.now(), "created_at": clock.now()})
        tx.execute(insert(delivery_attempts), {"delivery_id": "dlv_2", "at": clock.now(), "duration_ms": 1})

    await arrive(3)
    await live_store.write(unit)
    clock.advance(days=400)
    await arrive(1, b"young")
    lines = await clean(cleaning)

    gone = {
        "messages": 3,
        "sessions": 1,
        "idempotency_keys": 1,
        "attempts": 1,
        "deliveries": 1,
        "letters": 1,
        "usage_events": 3,
        "used_links": 1,
    }
    assert [gone | {"event": "rows_removed", "log_level": "info"}] == lines
    assert gone == removed
    left = [await count_of(table) for table in (messages, bodies, deliveries, usage_events)]
    assert [1, 1, 1, 1] == left
    emptied = (user_sessions, idempotency_keys, delivery_attempts, used_links, notifications)
    assert [0, 0, 0, 0, 0] == [await count_of(table) for table in emptied]


async def test_a_round_with_nothing_to_do_says_nothing(cleaning, removed, arrive):
    await arrive(3)

    assert [] == await clean(cleaning)
    assert {} == removed


async def test_what_falls_due_during_a_round_is_left_to_the_next(cleaning, arrive, clock, rests, count_of):
    await arrive(FIRST_ROWS)
    clock.advance(seconds=1)
    await arrive(1, b"later")
    clock.advance(seconds=OVER - 1)

    async def tick(_stop):
        clock.advance(seconds=1)

    rests.look = tick
    await clean(cleaning)
    assert 1 == await count_of(messages)

    await clean(cleaning)
    assert 0 == await count_of(messages)


async def long_mail(store, agent, at, *, chunks=3):
    """A mail in parts of a byte each: how long they are makes no difference here."""
    raw = b"." * chunks
    digest = sha256(raw).hexdigest()

    def unit(tx):
        for number in range(chunks):
            keep_chunk(tx, digest, number, b".", now=at)
        keep_body(tx, digest, size=chunks, content=None, now=at)
        create_inbound_message(tx, new_message(agent, raw, at=at))

    await store.write(unit)


async def test_the_chunks_of_a_long_mail_go_in_the_same_round(live_store, cleaning, removed, poll, clock, count_of):
    await long_mail(live_store, poll.address, clock.now(), chunks=70)
    clock.advance(seconds=OVER)
    await clean(cleaning)

    assert {"messages": 1, "chunks": 70} == removed
    assert 0 == await count_of(body_chunks)


async def test_no_batch_removes_more_than_a_few_chunks_however_quick_it_is(
    live_store, cleaning, poll, clock, rests, count_of
):
    await long_mail(live_store, poll.address, clock.now(), chunks=70)
    clock.advance(seconds=OVER)
    rests.look = lambda _stop: count_of(body_chunks)
    await clean(cleaning)

    steps = [before - after for before, after in pairwise(rests.seen)]
    assert max(steps) * CHUNK_BYTES <= 4 * 1024 * 1024


async def test_what_mails_that_died_and_agents_that_went_have_left_is_collected(
    live_store, cleaning, removed, arrive, clock, count_of
):
    def die(tx):
        keep_chunk(tx, "0" * 64, 0, b".", now=clock.now())
        keep_body(tx, "1" * 64, size=1, content=b".", now=clock.now())

    await live_store.write(die)
    await arrive(2)
    clock.advance(days=1, microseconds=-1)
    with capture_logs() as lines:
        await cleaning.collect_leftovers(asyncio.Event())
        assert [] == lines
        clock.advance(microseconds=1)
        await cleaning.collect_leftovers(asyncio.Event())

    assert [("leftovers_removed", 1, 1)] == [(line["event"], line["bodies"], line["chunks"]) for line in lines]
    assert {"bodies": 1, "chunks": 1} == removed
    assert (2, 0) == (await count_of(bodies), await count_of(body_chunks))


# Batches


async def sizes_of(cleaning, rests, count_of):
    """How many messages each batch of a round has removed."""
    before = await count_of(messages)
    rests.look = lambda _stop: count_of(messages)
    await clean(cleaning)
    left = [before, *rests.seen]
    return [one - other for one, other in pairwise(left) if one != other]


async def test_batches_that_hold_the_writer_too_long_become_smaller(
    cleaning, arrive, clock, stopwatch, rests, count_of
):
    await arrive(20)
    clock.advance(seconds=OVER)
    stopwatch.took = TARGET_SECONDS * 2

    assert [8, 4, 2, 1, 1, 1, 1, 1, 1] == await sizes_of(cleaning, rests, count_of)


async def test_batches_that_are_quick_grow_slowly(cleaning, arrive, clock, rests, count_of):
    await arrive(50)
    clock.advance(seconds=OVER)

    assert [8, 10, 12, 14, 6] == await sizes_of(cleaning, rests, count_of)


async def test_what_was_learned_is_known_in_the_next_round(cleaning, arrive, clock, stopwatch, rests, count_of):
    await arrive(15)
    clock.advance(seconds=OVER)
    stopwatch.took = TARGET_SECONDS * 2
    await clean(cleaning)
    await arrive(3, b"more")
    clock.advance(seconds=OVER)
    rests.seen.clear()

    assert [1, 1, 1] == await sizes_of(cleaning, rests, count_of)


async def test_the_writer_is_left_to_others_for_as_long_as_it_was_held(cleaning, arrive, clock, stopwatch, rests):
    await arrive(1)
    clock.advance(seconds=OVER)
    stopwatch.took = 3.0
    await clean(cleaning)

    assert {3.0} == set(rests.seconds)


# Stopping and failing


async def test_a_round_that_is_told_to_stop_ends_behind_its_batch(cleaning, arrive, clock, rests, count_of):
    await arrive(FIRST_ROWS + 3)
    clock.advance(seconds=OVER)

    async def stop_it(stop):
        stop.set()

    rests.look = stop_it
    await clean(cleaning)
    assert 3 == await count_of(messages)
    assert 1 == len(rests.seconds)

    rests.look = None
    await clean(cleaning)
    assert 0 == await count_of(messages)


async def test_a_round_that_fails_says_what_it_has_removed(live_store, cleaning, removed, arrive, clock, rests):
    await arrive(FIRST_ROWS + 1)
    clock.advance(seconds=OVER)

    async def close(_stop):
        await live_store.stop()

    rests.look = close
    with capture_logs() as lines, pytest.raises(Unavailable):
        await cleaning.remove_expired(asyncio.Event())

    assert [FIRST_ROWS] == [line["messages"] for line in lines]
    assert {"messages": FIRST_ROWS} == removed


# Among others


async def test_two_daemons_that_clean_at_once_remove_everything_once(
    database_url, live_store, make, removed, arrive, clock, count_of
):
    other = open_store(database_url)
    other.start()
    await arrive(300)
    clock.advance(days=400)
    both = [make(store) for store in (live_store, other)]
    await asyncio.gather(*[each.remove_expired(asyncio.Event()) for each in both])
    await asyncio.gather(*[each.collect_leftovers(asyncio.Event()) for each in both])
    await other.stop()

    assert {"messages": 300, "usage_events": 300} == {kind: rows for kind, rows in removed.items() if kind != "bodies"}
    assert (0, 0) == (await count_of(messages), await count_of(bodies))


def expired_messages(agent, count, *, at):
    """So many expired messages, written as rows: their way in is not what is tested."""

    def unit(tx):
        contents = [b"%d" % number for number in range(count)]
        names = [sha256(content).hexdigest() for content in contents]
        kept = [
            {"sha256": name, "size": len(content), "content": content, "created_at": at}
            for name, content in zip(names, contents, strict=True)
        ]
        for first in range(0, count, 2000):
            tx.execute(insert(bodies), kept[first : first + 2000])
        row = {"agent": agent, "direction": "inbound", "status": "unread", "recipient": agent, "raw_size": 5}
        times = {"received_at": at, "expires_at": at + KEPT_FOR, "visible_at": at}
        rows = [
            row | times | {"id": f"msg_{number}", "seq": number + 1, "raw_sha256": name}
            for number, name in enumerate(names)
        ]
        for first in range(0, count, 2000):  # a statement has to be answered within seconds
            tx.execute(insert(messages), rows[first : first + 2000])
        tx.execute(update(agents).where(agents.c.address == agent).values(last_seq=count))

    return unit


async def test_thousands_are_removed_while_mail_keeps_arriving_and_none_of_it_is_lost(
    live_store, cleaning, removed, poll, places, clock, count_of
):
    await live_store.write(expired_messages(poll.address, 5_000, at=clock.now()), within=120)
    clock.advance(seconds=OVER)
    done = asyncio.Event()
    arrived = []

    async def keep_arriving():
        while not done.is_set():
            # Every other one has the content of one that is just being removed.
            number = len(arrived)
            raw = b"%d" % (number * 40) if number % 2 else b"new %d" % number
            message = await live_store.write(lambda tx, raw=raw: places.message(tx, poll.address, raw))
            arrived.append((message.id, raw))

    mail = asyncio.ensure_future(keep_arriving())
    await clean(cleaning)
    done.set()
    await mail

    assert 5_000 == removed["messages"]
    assert len(arrived) == await count_of(messages) == await count_of(bodies)
    for _, raw in arrived:
        assert raw == await live_store.read(lambda tx, raw=raw: read_body(tx, sha256(raw).hexdigest()))
