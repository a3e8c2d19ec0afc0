"""Removing raw bytes, and what mail that arrives meanwhile finds (store/mail/body_gc.py)."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta
from itertools import combinations

import pytest
from sqlalchemy import delete

from store.errors import Unavailable
from store.mail.bodies import keep_body, keep_chunk, read_body
from store.mail.body_gc import (
    MAX_BYTES,
    MAX_CHUNKS,
    collect_bodies,
    collect_chunks,
    forget_bodies,
    forget_chunks,
)
from store.mail.messages import create_inbound_message
from store.schema.inbound import bodies, body_chunks, messages
from tests.places import keep_message, new_message
from tests.store.contents import keep, keep_in_parts, name, parts_of, rows
from tests.store.gate import Gate, run_beside, together, wait_until_blocked

SHORT = b"Subject: short\r\n\r\nhello\r\n"
LONG = (
    b"Subject: long\r\n\r\nhello, hello\r\n"  # kept in parts of eleven bytes: nothing here depends on how long they are
)
PART = 11
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


def lose(tx, message):
    """Remove a message alone, as whoever calls the collector has done before."""
    tx.execute(delete(messages).where(messages.c.id == message.id))


def forget(*contents):
    return lambda tx: forget_bodies(tx, [name(content) for content in contents])


def is_kept(store, content):
    return content == store.run(lambda tx: read_body(tx, name(content)))


# Forgetting


def test_what_nothing_points_to_is_removed_and_told(store, clock):
    store.run(keep(SHORT, now=clock.now()))
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))

    gone = {body.sha256: body for body in store.run(forget(SHORT, LONG, SHORT, b"never seen"))}

    assert {name(SHORT), name(LONG)} == gone.keys()
    assert (len(SHORT), clock.now(), False) == _told(gone[name(SHORT)])
    assert (len(LONG), clock.now(), True) == _told(gone[name(LONG)])
    assert 0 == store.run(rows(bodies))


def _told(body):
    return body.size, body.created_at, body.is_long


def test_what_a_message_points_to_is_kept(store, arrive, poll):
    arrive(poll, SHORT)

    assert [] == store.run(forget(SHORT))
    assert is_kept(store, SHORT)


def test_bytes_of_two_messages_are_kept_until_the_second_goes(store, arrive, poll):
    first, second = arrive(poll, SHORT), arrive(poll, SHORT)

    def unit(message):
        return lambda tx: (lose(tx, message), forget(SHORT)(tx))[1]

    assert [] == store.run(unit(first))
    assert is_kept(store, SHORT)
    assert [name(SHORT)] == [body.sha256 for body in store.run(unit(second))]


def test_a_message_of_the_same_transaction_is_seen(store, places, poll, clock):
    def unit(tx):
        keep_message(tx, new_message(poll.address, SHORT, at=clock.now()), SHORT)
        return forget(SHORT)(tx)

    assert [] == store.run(unit)
    assert is_kept(store, SHORT)


def test_a_mail_behind_the_collector_in_one_transaction_brings_its_bytes_again(store, poll, clock):
    store.run(keep(SHORT, now=clock.now()))

    def unit(tx):
        gone = forget(SHORT)(tx)
        keep_message(tx, new_message(poll.address, SHORT, at=clock.now()), SHORT)
        return gone

    assert 1 == len(store.run(unit))
    assert is_kept(store, SHORT)


def test_thousands_of_contents_are_forgotten_in_one_call(store, clock):
    contents = [b"%d" % number for number in range(1200)]

    def unit(tx):
        for content in contents:
            keep(content, now=clock.now())(tx)

    store.run(unit)

    assert 1200 == len(store.run(forget(*contents)))
    assert [] == store.run(forget())


def test_chunks_of_a_forgotten_content_are_removed_a_few_at_a_time(store, clock):
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))
    store.run(forget(LONG))

    assert [2, 1, 0] == [store.run(chunks(LONG, until=clock.now(), limit=2)) for _ in range(3)]
    assert 0 == store.run(rows(body_chunks))


def chunks(content, *, until, limit=1):
    return lambda tx: forget_chunks(tx, name(content), until=until, limit=limit)


def test_chunks_of_a_real_content_are_never_removed(store, clock):
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))

    assert 0 == store.run(chunks(LONG, until=clock.now() + DAY, limit=9))
    assert is_kept(store, LONG)


def test_a_chunk_that_came_a_microsecond_later_is_not_removed(store, clock):
    store.run(lambda tx: keep_chunk(tx, name(LONG), 0, LONG, now=clock.now()))

    assert 0 == store.run(chunks(LONG, until=clock.now() - MICROSECOND))
    assert 1 == store.run(chunks(LONG, until=clock.now()))


def test_no_call_removes_more_chunks_than_bytes_allow(store, clock):
    content = b"." * (MAX_CHUNKS + 1)
    store.run(keep_in_parts(content, now=clock.now(), size=1))
    store.run(forget(content))

    assert MAX_CHUNKS == store.run(chunks(content, until=clock.now(), limit=1000))


# Against a mail that arrives, step by step: every step is a transaction


class Arrival:
    """A mail of LONG that comes at *at*: a step for each chunk, and one for its row and message."""

    def __init__(self, agent, at):
        self.agent, self.at = agent, at
        self.steps = [self._part(number) for number in range(len(parts_of(LONG, PART)))] + [self.commit]

    def _part(self, number):
        return lambda tx: keep_chunk(tx, name(LONG), number, parts_of(LONG, PART)[number], now=self.at)

    def commit(self, tx):
        keep_body(tx, name(LONG), size=len(LONG), content=None, now=self.at)
        create_inbound_message(tx, new_message(self.agent, LONG, at=self.at))
        tx.flush()


class Collector:
    """Whoever removes LONG, which nothing points to: its row, then so many chunks a step."""

    def __init__(self, chunks=1):
        self._chunks = chunks
        self._gone = []
        self.steps = [self.forget, *[self.forget_chunk] * len(parts_of(LONG, PART))]

    def forget(self, tx):
        self._gone = forget(LONG)(tx)

    def forget_chunk(self, tx):
        for body in self._gone:
            forget_chunks(tx, body.sha256, until=body.created_at, limit=self._chunks)


STEPS = len(parts_of(LONG, PART)) + 1  # of each of the two
# Every order in which the steps of both can come: at which places of all those of the mail are.
ORDERS = list(combinations(range(2 * STEPS), STEPS))


def steps_in(order, arrival, collector):
    mail, other = iter(arrival.steps), iter(collector.steps)
    return [next(mail if place in order else other) for place in range(2 * STEPS)]


def clear(tx):
    for table in (messages, bodies, body_chunks):
        tx.execute(delete(table))


@pytest.fixture
def leftover(store, poll, clock):
    """LONG, whole, without a message; the mail that comes is a second later."""
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))
    clock.advance(seconds=1)


def test_a_mail_is_whole_in_whatever_order_its_steps_and_the_collector_s_come(store, poll, clock):
    for order in ORDERS:
        store.run(clear)
        store.run(keep_in_parts(LONG, now=clock.now() - SECOND, size=PART))
        for step in steps_in(order, Arrival(poll.address, clock.now()), Collector()):
            store.run(step)

        assert is_kept(store, LONG), order


def test_a_mail_is_whole_or_refused_but_never_damaged_where_clocks_disagree(store, poll, clock):
    refused = 0
    for order in ORDERS:
        store.run(clear)
        store.run(keep_in_parts(LONG, now=clock.now() + SECOND, size=PART))
        for step in steps_in(order, Arrival(poll.address, clock.now()), Collector()):
            try:
                store.run(step)
            except Unavailable:
                refused += 1

        assert not store.run(rows(messages)) or is_kept(store, LONG), order
    assert 0 < refused < len(ORDERS)


def test_a_content_that_came_again_goes_with_its_chunks_when_its_time_comes(store, poll, clock):
    for at in (clock.now() - DAY, clock.now()):
        for step in Arrival(poll.address, at).steps:
            store.run(step)
    store.run(lambda tx: tx.execute(delete(messages)))
    collector = Collector()
    for step in collector.steps:
        store.run(step)

    assert (0, 0) == (store.run(rows(bodies)), store.run(rows(body_chunks)))


# Against a mail that arrives, both in their transactions at once


def overlap(held, store, blocked, beside):
    """Both units' answers: the second begins while the first is in its transaction, and waits for it."""
    gate = Gate(held)
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, blocked)
    wait_until_blocked(store.engine)
    gate.open()
    return first.result(), second.result()


def mail(agent, at, raw=SHORT):
    def unit(tx):
        keep_message(tx, new_message(agent.address, raw, at=at), raw)
        tx.flush()

    return unit


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
def test_a_collector_that_waits_for_a_mail_sees_it(store, beside, poll, clock):
    store.run(keep(SHORT, now=clock.now()))

    _, gone = overlap(mail(poll, clock.now()), store, forget(SHORT), beside)

    assert [] == gone
    assert is_kept(store, SHORT)


@on_postgresql
def test_a_mail_that_waits_for_a_collector_brings_its_bytes_again(store, beside, poll, clock):
    store.run(keep(SHORT, now=clock.now()))

    gone, _ = overlap(forget(SHORT), store, mail(poll, clock.now()), beside)

    assert [name(SHORT)] == [body.sha256 for body in gone]
    assert is_kept(store, SHORT)


@on_postgresql
def test_a_mail_that_waits_for_a_collector_that_keeps_the_content_is_whole(store, beside, arrive, poll, clock):
    arrive(poll, SHORT)

    gone, _ = overlap(forget(SHORT), store, mail(poll, clock.now()), beside)

    assert [] == gone
    assert is_kept(store, SHORT)


@on_postgresql
@pytest.mark.parametrize("first", ["mail", "collector"])
def test_a_mail_is_whole_when_the_other_s_transaction_comes_to_nothing(store, beside, poll, clock, first):
    store.run(keep(SHORT, now=clock.now()))
    units = {"mail": mail(poll, clock.now()), "collector": forget(SHORT)}
    gate = Gate(units.pop(first))

    def fails(tx):
        gate.unit(tx)
        raise Unavailable

    failed = run_beside(store, fails)
    gate.reached()
    other = run_beside(beside, *units.values())
    wait_until_blocked(store.engine)
    gate.open()

    with pytest.raises(Unavailable):
        failed.result()
    other.result()
    if first == "mail":  # the sender sends again
        store.run(mail(poll, clock.now()))
    assert is_kept(store, SHORT)


@on_postgresql
def test_of_two_collectors_with_the_last_two_messages_of_a_content_exactly_one_removes_it(store, beside, arrive, poll):
    first, second = arrive(poll, SHORT), arrive(poll, SHORT)

    def unit(message):
        return lambda tx: (lose(tx, message), forget(SHORT)(tx))[1]

    gone = overlap(unit(first), store, unit(second), beside)

    assert [0, 1] == [len(found) for found in gone]
    assert 0 == store.run(rows(bodies))


@on_postgresql
@pytest.mark.parametrize("held", ["mail", "collector"])
@pytest.mark.parametrize(
    ("mail_done", "collector_done"),
    [
        (0, 1),  # its first chunk, and the removal of the chunks
        (1, 1),
        (2, 1),
        (3, 0),  # its row and message, and the removal of the row that was there
        (3, 1),  # its row and message, and the removal of the chunks
    ],
)
def test_a_long_mail_is_whole_when_a_step_of_it_and_one_of_the_collector_overlap(
    store, beside, poll, clock, leftover, held, mail_done, collector_done
):
    arrival, collector = Arrival(poll.address, clock.now()), Collector(chunks=9)
    done = [*collector.steps[:collector_done], *arrival.steps[:mail_done]]
    for step in done:
        store.run(step)

    pair = [arrival.steps[mail_done], collector.steps[collector_done]]
    first, second = pair if held == "mail" else reversed(pair)
    overlap(first, store, second, beside)
    for step in [*collector.steps[collector_done + 1 :], *arrival.steps[mail_done + 1 :]]:
        store.run(step)

    assert is_kept(store, LONG)


@on_postgresql
@pytest.mark.parametrize("held", ["mail", "collector"])
def test_a_long_mail_of_a_machine_whose_clock_is_behind_is_whole_or_refused(store, beside, poll, clock, leftover, held):
    arrival, collector = Arrival(poll.address, clock.now() - 2 * SECOND), Collector()
    store.run(collector.forget)
    for step in arrival.steps[:-1]:
        store.run(step)

    if held == "mail":
        overlap(arrival.commit, store, collector.forget_chunk, beside)
        assert is_kept(store, LONG)
        return
    with pytest.raises(Unavailable):
        overlap(collector.forget_chunk, store, arrival.commit, beside)
    assert (0, 0) == (store.run(rows(messages)), store.run(rows(bodies)))


@on_postgresql
def test_two_that_remove_the_same_chunks_at_once_raise_nothing(store, beside, clock):
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))
    store.run(forget(LONG))
    unit = chunks(LONG, until=clock.now(), limit=9)

    assert (3, 0) == overlap(unit, store, unit, beside)


# The walk for what was left behind


def walk(store, step, **more):
    """Every step of a walk from its beginning to its end."""
    steps, after = [], ""
    while after is not None:
        steps.append(store.run(lambda tx, after=after: step(tx, after=after, **more)))
        after = steps[-1].after
    return steps


def removed(steps):
    return sum(step.removed for step in steps)


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_bytes_that_nothing_points_to_are_found_wherever_they_are(store, arrive, poll, clock, limit):
    for number in range(5):
        arrive(poll, b"Subject: %d\r\n\r\n" % number)
        store.run(keep(b"left %d" % number, now=clock.now()))

    steps = walk(store, collect_bodies, limit=limit, before=clock.now() + SECOND)

    assert 5 == removed(steps)
    assert 5 == store.run(rows(bodies))
    assert all(step.scanned <= limit for step in steps)


def test_bytes_are_left_behind_when_they_are_older_than_that_to_the_microsecond(store, clock):
    store.run(keep(SHORT, now=clock.now()))

    assert 0 == removed(walk(store, collect_bodies, limit=9, before=clock.now() - MICROSECOND))
    assert 1 == removed(walk(store, collect_bodies, limit=9, before=clock.now()))


def test_a_step_of_the_walk_removes_no_more_than_so_many_bytes(store, clock):
    def unit(tx):  # the size is what counts: the bytes themselves need not be here
        for number in range(7):
            keep_body(tx, name(b"%d" % number), size=MAX_BYTES // 3, content=b"", now=clock.now())

    store.run(unit)

    assert [3, 3, 1] == [step.removed for step in walk(store, collect_bodies, limit=9, before=clock.now() + DAY)]


def test_a_content_that_is_too_long_for_a_step_has_one_of_its_own(store, clock):
    def unit(tx):
        for number in range(3):
            keep_body(tx, name(b"%d" % number), size=2 * MAX_BYTES, content=b"", now=clock.now())

    store.run(unit)

    assert [1, 1, 1] == [step.removed for step in walk(store, collect_bodies, limit=9, before=clock.now() + DAY)]


def test_chunks_of_a_mail_that_died_on_its_way_are_collected(store, poll, clock):
    for step in Arrival(poll.address, clock.now()).steps[:2]:
        store.run(step)
    whole = LONG + b"whole"
    store.run(keep_in_parts(whole, now=clock.now(), size=PART))

    assert 2 == removed(walk(store, collect_chunks, limit=1, before=clock.now()))
    assert is_kept(store, whole)


def test_chunks_of_a_mail_on_its_way_are_left_alone(store, poll, clock):
    arrival = Arrival(poll.address, clock.now())
    for step in arrival.steps[:-1]:
        store.run(step)

    assert 0 == removed(walk(store, collect_chunks, limit=1, before=clock.now() - MICROSECOND))

    store.run(arrival.commit)
    assert is_kept(store, LONG)


def test_the_chunks_of_a_long_content_that_was_left_behind_go_after_it(store, clock):
    store.run(keep_in_parts(LONG, now=clock.now(), size=PART))
    for step in (collect_bodies, collect_chunks):
        walk(store, step, limit=1000, before=clock.now() + MICROSECOND)

    assert (0, 0) == (store.run(rows(bodies)), store.run(rows(body_chunks)))


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_chunks_that_were_left_behind_are_found_among_hundreds_of_contents(store, clock, limit):
    def unit(tx):
        for number in range(250):
            content = b"%d" % number
            keep_chunk(tx, name(content), 0, content, now=clock.now())
            if number % 50:
                keep_body(tx, name(content), size=len(content), content=None, now=clock.now())

    store.run(unit)

    steps = walk(store, collect_chunks, limit=limit, before=clock.now())

    assert 5 == removed(steps)
    assert 245 == store.run(rows(body_chunks))
    assert all(step.removed <= limit for step in steps)


def test_a_walk_over_nothing_ends_at_once(store, clock):
    for step in (collect_bodies, collect_chunks):
        assert [(0, None)] == [(each.removed, each.after) for each in walk(store, step, limit=9, before=clock.now())]


def test_two_walks_at_once_remove_each_content_once(store, beside, clock):
    def unit(tx):
        for number in range(300):
            keep(b"%d" % number, now=clock.now())(tx)

    store.run(unit)
    gone = together(
        [lambda by=by: removed(walk(by, collect_bodies, limit=20, before=clock.now() + DAY)) for by in (store, beside)]
    )

    assert 300 == sum(gone)
    assert 0 == store.run(rows(bodies))
