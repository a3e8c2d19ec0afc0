"""What goes when its time is over, and what stays (store/upkeep/retention.py)."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from store.directory.idempotency import begin_request
from store.ids import new_message_id
from store.mail.bodies import CHUNK_BYTES, read_body
from store.mail.body_gc import MAX_BYTES, forget_chunks
from store.mail.deliveries import claim_due, enqueue, settle_delivered
from store.mail.messages import KEPT_FOR, create_inbound_message
from store.mail.usage import record_usage
from store.outbound.sending import claim_approved
from store.records.mail import Attempt
from store.schema.inbound import (
    bodies,
    body_chunks,
    deliveries,
    delivery_attempts,
    idempotency_keys,
    messages,
    usage_days,
    usage_events,
)
from store.schema.outbound import outbound, outbound_attachments, send_attempts
from store.upkeep.retention import (
    ATTEMPTS_LAST,
    DELIVERIES_LAST,
    USAGE_LASTS,
    delete_expired_messages,
    delete_old_attempts,
    delete_old_deliveries,
    delete_old_idempotency_keys,
    delete_old_usage_events,
)
from tests.places import new_message
from tests.store.contents import keep_in_parts, name, rows
from tests.store.gate import Gate, run_beside, together

RAW = b"Subject: hi\r\n\r\nhello\r\n"
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def expire(store, clock):
    """One batch at the clock's time."""
    return lambda limit=100: store.run(lambda tx: delete_expired_messages(tx, now=clock.now(), limit=limit))


@pytest.fixture
def left(store):
    """The ids of the messages that are still there, oldest first."""
    return lambda: store.run(lambda tx: list(tx.execute(select(messages.c.id).order_by(messages.c.seq)).scalars()))


# Messages


def test_a_message_goes_at_the_very_moment_its_time_is_over(arrive, poll, expire, left, clock):
    arrive(poll)
    clock.advance(seconds=KEPT_FOR.total_seconds(), microseconds=-1)
    assert 0 == expire().count
    assert 1 == len(left())

    clock.advance(microseconds=1)

    assert 1 == expire().count
    assert [] == left()


def test_the_oldest_messages_go_first_and_no_more_than_asked_for(arrive, poll, expire, left, clock):
    kept = []
    for _ in range(5):
        kept.append(arrive(poll).id)
        clock.advance(seconds=1)
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert (2, kept[2:]) == (expire(2).count, left())
    assert (3, []) == (expire(100).count, left())
    assert 0 == expire().count


def test_a_message_goes_with_all_that_was_its_own(store, arrive, hook, expire, clock):
    arrive(hook)
    clock.advance(days=1)
    arrive(hook, b"Subject: stays\r\n\r\n")

    def settle(tx):
        for claim in claim_due(tx, hook.address, limit=9, lease=MINUTE, now=clock.now()):
            settle_delivered(tx, claim, Attempt(at=clock.now(), duration_ms=1, status=200, error=None), now=clock.now())

    store.run(settle)
    clock.advance(seconds=KEPT_FOR.total_seconds() - 1)
    expire()

    assert [1] * 4 == [store.run(rows(table)) for table in (messages, bodies, deliveries, delivery_attempts)]


def test_what_an_agent_wrote_goes_with_its_content_and_its_attempts(store, compose, poll, expire, clock):
    held = compose(ttl=60)
    compose()
    store.run(lambda tx: claim_approved(tx, poll.user_id, held.id, lease=MINUTE, now=clock.now()))
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert 2 == expire().count
    assert [0] * 4 == [store.run(rows(table)) for table in (messages, outbound, outbound_attachments, send_attempts)]


def test_what_a_user_was_counted_by_stays_when_the_messages_go(store, arrive, poll, expire, clock):
    arrive(poll)
    clock.advance(seconds=KEPT_FOR.total_seconds())
    expire()

    assert (1, 1) == (store.run(rows(usage_events)), store.run(rows(usage_days)))


def test_bytes_that_two_messages_share_go_with_the_second(store, arrive, poll, other, expire, clock):
    arrive(poll, RAW)
    clock.advance(days=1)
    arrive(other, RAW)
    clock.advance(seconds=KEPT_FOR.total_seconds() - 1)

    assert 1 == expire().count
    assert RAW == store.run(lambda tx: read_body(tx, name(RAW)))

    clock.advance(days=1)
    assert 1 == expire().count
    assert 0 == store.run(rows(bodies))


def test_bytes_that_two_messages_share_go_when_both_go_at_once(store, arrive, poll, other, expire, clock):
    arrive(poll, RAW)
    arrive(other, RAW)
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert 2 == expire().count
    assert 0 == store.run(rows(bodies))


def test_the_chunks_of_a_long_mail_are_left_to_the_caller_to_be_removed_bit_by_bit(store, poll, expire, clock):
    raw = b"." * (2 * CHUNK_BYTES + 1)

    def unit(tx):
        keep_in_parts(raw, now=clock.now())(tx)
        create_inbound_message(tx, new_message(poll.address, raw, at=clock.now()))

    store.run(unit)
    came = clock.now()
    clock.advance(seconds=KEPT_FOR.total_seconds())
    (body,) = expire().long_bodies

    assert (name(raw), len(raw), came) == (body.sha256, body.size, body.created_at)
    assert 3 == store.run(rows(body_chunks))
    assert 3 == store.run(lambda tx: forget_chunks(tx, body.sha256, until=body.created_at, limit=9))


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([MAX_BYTES // 2] * 5, [2, 2, 1]),
        ([0, 0, MAX_BYTES, 1], [3, 1]),
        ([MAX_BYTES + 1, 0, 3 * MAX_BYTES, 0], [1, 2, 1]),
        ([MAX_BYTES + 1] * 2, [1, 1]),
    ],
)
def test_a_batch_removes_no_more_than_so_many_bytes_or_one_message(arrive, poll, expire, clock, sizes, batches):
    for size in sizes:
        arrive(poll, raw_size=size)
        clock.advance(seconds=1)
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert batches == [expire().count for _ in batches]
    assert 0 == expire().count


def test_the_files_of_a_mail_that_was_not_sent_weigh_too(store, compose, expire, clock):
    for _ in range(3):
        compose()
        clock.advance(seconds=1)
    store.run(lambda tx: tx.execute(update(outbound_attachments).values(size=MAX_BYTES)))
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert [1, 1, 1, 0] == [expire().count for _ in range(4)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_message_that_another_has_in_hand_is_left_for_later(store, beside, arrive, poll, expire, left, clock):
    first, second = arrive(poll), arrive(poll)
    clock.advance(seconds=KEPT_FOR.total_seconds())
    gate = Gate(lambda tx: tx.execute(update(messages).where(messages.c.id == first.id).values(status="read")))
    busy = run_beside(beside, gate.unit)
    gate.reached()

    assert (1, [first.id]) == (expire().count, left())
    assert second.id not in left()
    gate.open()
    busy.result()
    assert 1 == expire().count


# What grows with time


def old_key(tx, user, now):
    begin_request(tx, user, new_message_id(), "0" * 64, now=now)


def old_usage(tx, user, now):
    record_usage(tx, user_id=user, kind="sent", agent="a@agents.example", message_id="msg_1", size=1, at=now)


def old_attempt(tx, user, now):
    delivery = enqueue(tx, agent="poll@agents.example", event_type="email.sent", message_id=None, now=now)
    values = {"delivery_id": delivery, "at": now, "duration_ms": 1, "status": 200, "error": None}
    tx.execute(insert(delivery_attempts), values)


def old_delivery(tx, user, now):
    delivery = enqueue(tx, agent="poll@agents.example", event_type="email.sent", message_id=None, now=now)
    settled = update(deliveries).where(deliveries.c.id == delivery)
    tx.execute(settled.values(status="delivered", settled_at=now))


KINDS = {
    "idempotency keys": (old_key, delete_old_idempotency_keys, idempotency_keys, timedelta(hours=24)),
    "attempts": (old_attempt, delete_old_attempts, delivery_attempts, ATTEMPTS_LAST),
    "deliveries": (old_delivery, delete_old_deliveries, deliveries, DELIVERIES_LAST),
    "usage events": (old_usage, delete_old_usage_events, usage_events, USAGE_LASTS),
}


@pytest.fixture(params=KINDS)
def kind(request, store, poll, clock):
    make, ask, table, lasts = KINDS[request.param]
    return Kind(store, poll.user_id, clock, make=make, ask=ask, table=table, lasts=lasts)


class Kind:
    """Rows of one kind: made at the clock's time, removed at it, counted."""

    def __init__(self, store, user, clock, *, make, ask, table, lasts):
        self.store, self.user, self.clock = store, user, clock
        self._make, self._ask, self._table, self.lasts = make, ask, table, lasts

    def make(self):
        self.store.run(lambda tx: self._make(tx, self.user, self.clock.now()))

    def remove(self, limit=100, by=None):
        return (by or self.store).run(lambda tx: self._ask(tx, now=self.clock.now(), limit=limit))

    def left(self):
        return self.store.run(rows(self._table))


def test_a_row_goes_at_the_very_moment_its_time_is_over(kind, clock):
    kind.make()
    clock.advance(seconds=kind.lasts.total_seconds(), microseconds=-1)
    assert (0, 1) == (kind.remove(), kind.left())

    clock.advance(microseconds=1)

    assert (1, 0) == (kind.remove(), kind.left())


def test_what_is_younger_stays(kind, clock):
    for _ in range(4):
        kind.make()
        clock.advance(seconds=1)
    clock.advance(seconds=kind.lasts.total_seconds() - 3)

    assert (2, 2) == (kind.remove(), kind.left())


def test_rows_go_in_batches_as_small_as_asked_for(kind, clock):
    for _ in range(5):
        kind.make()
    clock.advance(seconds=kind.lasts.total_seconds())

    assert [2, 2, 1, 0] == [kind.remove(2) for _ in range(4)]


def test_two_processes_that_clean_at_once_remove_each_row_once(kind, beside, clock):
    for _ in range(60):
        kind.make()
    clock.advance(seconds=kind.lasts.total_seconds())

    gone = together([lambda by=by: sum(kind.remove(3, by) for _ in range(40)) for by in (kind.store, beside)])

    assert (60, 0) == (sum(gone), kind.left())


def test_the_sums_of_days_stay_when_their_events_go(store, poll, clock):
    store.run(lambda tx: old_usage(tx, poll.user_id, clock.now()))
    clock.advance(seconds=USAGE_LASTS.total_seconds())

    assert 1 == store.run(lambda tx: delete_old_usage_events(tx, now=clock.now(), limit=9))
    assert (0, 1) == (store.run(rows(usage_events)), store.run(rows(usage_days)))


def test_a_delivery_that_is_not_settled_or_has_a_message_stays(store, arrive, hook, clock):
    arrive(hook)
    store.run(lambda tx: enqueue(tx, agent=hook.address, event_type="email.sent", message_id=None, now=clock.now()))
    store.run(
        lambda tx: tx.execute(
            update(deliveries).where(deliveries.c.message_id.is_not(None)).values(settled_at=clock.now(), status="dead")
        )
    )
    clock.advance(days=400)

    assert 0 == store.run(lambda tx: delete_old_deliveries(tx, now=clock.now(), limit=9))
    assert 2 == store.run(rows(deliveries))


def test_a_batch_with_nothing_to_do_looks_at_the_lowest_thousand_and_no_further(store, poll, clock):
    def unit(tx):
        young = {
            "user_id": poll.user_id,
            "kind": "sent",
            "agent": "a",
            "message_id": "m",
            "bytes": 1,
            "at": clock.now(),
        }
        tx.execute(insert(usage_events), [young] * 1000 + [young | {"at": clock.now() - 2 * USAGE_LASTS}])

    store.run(unit)

    assert 0 == store.run(lambda tx: delete_old_usage_events(tx, now=clock.now(), limit=9))


# At once


def test_two_processes_that_clean_at_once_remove_each_message_once(store, beside, arrive, poll, left, clock):
    for number in range(90):
        arrive(poll, b"Subject: %d\r\n\r\n" % (number // 2))  # each content is of two
    clock.advance(seconds=KEPT_FOR.total_seconds())

    def clean(by):
        return sum(by.run(lambda tx: delete_expired_messages(tx, now=clock.now(), limit=4).count) for _ in range(40))

    gone = together([lambda by=by: clean(by) for by in (store, beside)])

    assert (90, []) == (sum(gone), left())
    assert 0 == store.run(rows(bodies))
