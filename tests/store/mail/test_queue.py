"""Leases, and what reading a message means for its place in the queue (store/mail/messages.py, store/mail/queue.py)."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from store.errors import LeaseLost
from store.mail.messages import KEPT_FOR, find_message, update_message_delivery_status
from store.mail.queue import ack, extend, lease_messages, nack, next_visible_at
from store.schema.inbound import messages
from tests.store.gate import Gate, run_beside

MINUTE = timedelta(minutes=1)


@pytest.fixture
def mails(store, places, poll):
    """Three messages in line, oldest first."""
    return [store.run(lambda tx: places.message(tx, poll.address)).id for _ in range(3)]


@pytest.fixture
def queue(store, poll, clock):
    """The queue of the agent that polls."""
    return Line(store, poll.address, clock)


class Line:
    """One agent's queue, each call a transaction at the clock's time."""

    def __init__(self, store, agent, clock):
        self.store, self.agent, self.clock = store, agent, clock

    def lease(self, limit=10, lease=MINUTE):
        now = self.clock.now()
        return self.store.run(lambda tx: lease_messages(tx, self.agent, limit=limit, lease=lease, now=now))

    def ids(self, limit=10, lease=MINUTE):
        return [found.message.id for found in self.lease(limit, lease)]

    def ack(self, receipt):
        self.store.run(lambda tx: ack(tx, self.agent, receipt, now=self.clock.now()))

    def nack(self, receipt, delay=timedelta(0)):
        self.store.run(lambda tx: nack(tx, self.agent, receipt, delay=delay, now=self.clock.now()))

    def extend(self, receipt, lease=MINUTE):
        self.store.run(lambda tx: extend(tx, self.agent, receipt, lease=lease, now=self.clock.now()))

    def mark(self, message_id, status):
        now = self.clock.now()
        self.store.run(lambda tx: update_message_delivery_status(tx, self.agent, message_id, status, now=now))

    def next_at(self):
        return self.store.run(lambda tx: next_visible_at(tx, self.agent, now=self.clock.now()))

    def row(self, message_id):
        return self.store.run(lambda tx: tx.execute(select(messages).where(messages.c.id == message_id)).one())


# Leasing


def test_messages_are_leased_oldest_first(mails, queue):
    assert [mails[:2], mails[2:], []] == [queue.ids(2), queue.ids(2), queue.ids(2)]


@pytest.mark.parametrize(("max_bytes", "taken"), [(1, 1), (200, 2), (299, 2), (300, 3), (10_000, 3)])
def test_a_lease_takes_as_many_messages_as_its_bytes_hold_and_at_least_one(
    store, places, poll, clock, max_bytes, taken
):
    raw = b"Subject: hi\r\n\r\n" + b"x" * 85
    sent = [store.run(lambda tx: places.message(tx, poll.address, raw)).id for _ in range(3)]

    def lease(tx):
        return lease_messages(tx, poll.address, limit=9, lease=MINUTE, now=clock.now(), max_bytes=max_bytes)

    assert sent[:taken] == [found.message.id for found in store.run(lease)]


def test_a_lease_says_what_it_is(store, mails, queue, clock):
    first = queue.lease(1)[0]

    assert (1, clock.now() + MINUTE) == (first.attempt, first.expires_at)
    assert store.run(lambda tx: find_message(tx, mails[0])) == first.message


def test_the_queue_says_when_something_can_be_had_next(mails, queue, clock):
    assert clock.now() == queue.next_at()
    for seconds in (90, 30, 60):
        queue.lease(1, timedelta(seconds=seconds))

    assert clock.now() + timedelta(seconds=30) == queue.next_at()


def test_an_empty_queue_has_nothing_next(store, mails, queue, clock):
    for leased in queue.lease(3):
        queue.ack(leased.receipt)
    assert queue.next_at() is None

    queue.mark(mails[0], "unread")
    clock.advance(days=30)

    assert queue.next_at() is None


def test_a_leased_message_is_nobody_else_s_until_the_lease_ends(mails, queue, clock):
    queue.lease(3)
    clock.advance(seconds=59)
    assert [] == queue.ids()

    clock.advance(seconds=1)

    assert mails == queue.ids()


def test_every_lease_is_counted_and_has_a_receipt_of_its_own(mails, queue, clock):
    leases = []
    for _ in range(3):
        leases += queue.lease(1)
        clock.advance(minutes=1)

    assert [1, 2, 3] == [found.attempt for found in leases]
    assert 3 == len({found.receipt for found in leases})


def test_a_message_given_again_comes_before_later_ones(mails, queue, clock):
    queue.lease(1)
    clock.advance(minutes=1)

    assert mails[:1] == queue.ids(1)


def test_messages_of_another_agent_are_not_leased(store, places, mails, clock):
    other = store.run(lambda tx: places.agent(tx, places.user(tx), "other@agents.example"))

    assert [] == Line(store, other.address, clock).ids()


def test_a_webhook_agent_s_messages_are_in_no_queue(store, places, hook, clock):
    store.run(lambda tx: places.message(tx, hook.address))

    assert [] == Line(store, hook.address, clock).ids()


def test_a_message_whose_time_is_over_is_not_leased(mails, queue, clock):
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert [] == queue.ids()


def test_two_workers_at_once_never_get_the_same_message(store, beside, places, poll, clock):
    def arrive(tx):
        return [places.message(tx, poll.address).id for _ in range(40)]

    def work(by, taken):
        line = Line(by, poll.address, clock)
        while found := line.ids(3):
            taken.extend(found)

    arrived = store.run(arrive)
    taken = [[], [], []]
    workers = [
        threading.Thread(target=work, args=(by, part)) for by, part in zip((store, beside, beside), taken, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    assert sorted(arrived) == sorted(taken[0] + taken[1] + taken[2])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_does_not_wait_for_what_another_is_just_taking(store, beside, mails, queue, clock, poll):
    gate = Gate(lambda tx: lease_messages(tx, poll.address, limit=2, lease=MINUTE, now=clock.now()))
    slow = run_beside(beside, gate.unit)
    gate.reached()

    assert mails[2:] == queue.ids()

    gate.open()
    assert mails[:2] == [found.message.id for found in slow.result()]


# Settling


def test_an_acked_message_is_out_of_the_queue_and_read(store, mails, queue, clock):
    queue.ack(queue.lease(1)[0].receipt)
    clock.advance(hours=1)

    assert mails[1:] == queue.ids()
    assert "read" == store.run(lambda tx: find_message(tx, mails[0])).status


def test_saying_twice_that_a_message_is_dealt_with_is_no_error(mails, queue, clock):
    receipt = queue.lease(1)[0].receipt
    queue.ack(receipt)
    clock.advance(hours=1)  # the answer to the first was lost, and found missing late

    queue.ack(receipt)

    assert mails[1:] == queue.ids()


def test_a_leased_message_is_still_unread(store, mails, queue):
    queue.lease(1)

    assert "unread" == store.run(lambda tx: find_message(tx, mails[0])).status


def test_a_message_given_back_can_be_had_at_once(mails, queue):
    queue.nack(queue.lease(1)[0].receipt)

    assert mails == queue.ids()


def test_a_message_given_back_can_be_had_after_the_delay(mails, queue, clock):
    queue.nack(queue.lease(1)[0].receipt, delay=timedelta(seconds=30))
    assert mails[1:] == queue.ids()

    clock.advance(seconds=29)
    assert [] == queue.ids()
    clock.advance(seconds=1)
    assert mails[:1] == queue.ids()


def test_a_delay_may_be_longer_than_the_lease_was(mails, queue, clock):
    queue.nack(queue.lease(3)[0].receipt, delay=timedelta(minutes=5))
    clock.advance(minutes=4)

    assert mails[1:] == queue.ids()


def test_an_extended_lease_ends_later_counted_from_now(mails, queue, clock):
    receipt = queue.lease(1)[0].receipt
    clock.advance(seconds=50)
    queue.extend(receipt)
    clock.advance(seconds=59)
    assert mails[1:] == queue.ids()

    clock.advance(seconds=1)

    assert mails[:1] == queue.ids()


def test_a_lease_may_be_extended_again_and_again(mails, queue, clock):
    receipt = queue.lease(1)[0].receipt
    for _ in range(5):
        clock.advance(seconds=59)
        queue.extend(receipt)

    queue.ack(receipt)

    assert mails[1:] == queue.ids()


def test_settling_one_message_leaves_the_others_of_its_lease(mails, queue, clock):
    first, second, third = queue.lease(3)
    queue.ack(second.receipt)
    clock.advance(minutes=1)

    assert [first.message.id, third.message.id] == queue.ids()


SETTLE = ["ack", "nack", "extend"]


@pytest.fixture(params=SETTLE)
def settle(request, queue):
    return getattr(queue, request.param)


def unchanged(queue, message_id, settle, receipt):
    """Whether *settle* finds the lease lost, and leaves the row as it was."""
    before = queue.row(message_id)
    with pytest.raises(LeaseLost):
        settle(receipt)
    return before == queue.row(message_id)


def test_a_receipt_is_worth_nothing_from_the_end_of_its_lease_on(mails, queue, clock, settle):
    receipt = queue.lease(1)[0].receipt
    clock.advance(minutes=1)

    assert unchanged(queue, mails[0], settle, receipt)


def test_a_receipt_is_worth_something_until_the_end_of_its_lease(mails, queue, clock, settle):
    receipt = queue.lease(1)[0].receipt
    clock.advance(seconds=59.999)

    settle(receipt)


def test_an_older_receipt_is_worth_nothing_while_another_has_the_message(mails, queue, clock, settle):
    older = queue.lease(1)[0].receipt
    clock.advance(minutes=1)
    newer = queue.lease(1)[0].receipt

    assert unchanged(queue, mails[0], settle, older)
    queue.ack(newer)


def test_an_older_receipt_is_worth_nothing_after_another_has_acked(mails, queue, clock, settle):
    older = queue.lease(1)[0].receipt
    clock.advance(minutes=1)
    queue.ack(queue.lease(1)[0].receipt)

    assert unchanged(queue, mails[0], settle, older)


def test_a_receipt_is_worth_nothing_after_it_was_given_back(mails, queue, settle):
    receipt = queue.lease(1)[0].receipt
    queue.nack(receipt)

    assert unchanged(queue, mails[0], settle, receipt)


@pytest.mark.parametrize("late", ["nack", "extend"])
def test_what_is_acked_is_neither_given_back_nor_kept_longer(mails, queue, late):
    receipt = queue.lease(1)[0].receipt
    queue.ack(receipt)

    assert unchanged(queue, mails[0], getattr(queue, late), receipt)


def test_a_receipt_is_worth_nothing_to_another_agent(store, places, mails, queue, clock, settle):
    other = store.run(lambda tx: places.agent(tx, places.user(tx), "other@agents.example"))
    receipt = queue.lease(1)[0].receipt
    theirs = getattr(Line(store, other.address, clock), settle.__name__)

    assert unchanged(queue, mails[0], theirs, receipt)


@pytest.mark.parametrize(
    "receipt", ["", ".", "msg_404.00", "{id}", "{id}.", "{id}.0", ".{token}", "{id}.{token}.", "ü"]
)
def test_what_is_no_receipt_is_worth_nothing(mails, queue, settle, receipt):
    genuine = queue.lease(1)[0].receipt
    message_id, _, token = genuine.partition(".")

    assert unchanged(queue, mails[0], settle, receipt.format(id=message_id, token=token))


def test_a_message_never_leased_cannot_be_settled_without_a_token(mails, queue, settle):
    assert unchanged(queue, mails[0], settle, f"{mails[0]}.None")


def test_a_lost_receipt_among_several_harms_none_of_the_others(store, mails, queue, clock, poll):
    first, second, third = queue.lease(3)
    queue.nack(second.receipt)

    def unit(tx):
        held = []
        for found in (first, second, third):
            try:
                ack(tx, poll.address, found.receipt, now=clock.now())
            except LeaseLost:
                continue
            held.append(found.message.id)
        return held

    assert [mails[0], mails[2]] == store.run(unit)
    assert [mails[1]] == queue.ids()


def test_a_message_given_back_wakes_who_waits(store, mails, queue, clock, poll):
    receipt = queue.lease(1)[0].receipt

    def unit(tx):
        nack(tx, poll.address, receipt, delay=timedelta(0), now=clock.now())
        return tx.topics

    assert {f"inbox:{poll.address}"} == store.run(unit)


# Reading and the queue


def test_a_message_read_before_anybody_leased_it_is_out_of_the_queue(mails, queue):
    queue.mark(mails[0], "read")

    assert mails[1:] == queue.ids()


def test_a_message_read_while_it_is_leased_stays_with_its_worker(mails, queue, clock):
    receipt = queue.lease(1)[0].receipt
    queue.mark(mails[0], "read")

    queue.ack(receipt)

    clock.advance(minutes=1)
    assert mails[1:] == queue.ids()


def test_a_message_read_while_it_is_leased_is_given_again_if_its_worker_dies(mails, queue, clock):
    queue.lease(1)
    queue.mark(mails[0], "read")
    clock.advance(minutes=1)

    assert mails == queue.ids()


def test_a_message_marked_unread_is_in_the_queue_as_if_it_were_new(mails, queue):
    queue.mark(mails[0], "read")
    queue.mark(mails[0], "unread")

    found = queue.lease(1)[0]

    assert (mails[0], 1) == (found.message.id, found.attempt)


def test_an_acked_message_marked_unread_is_given_again(mails, queue):
    queue.ack(queue.lease(1)[0].receipt)
    queue.mark(mails[0], "unread")

    assert mails == queue.ids()


def test_a_message_marked_unread_is_taken_from_who_has_it(mails, queue, settle):
    receipt = queue.lease(1)[0].receipt
    queue.mark(mails[0], "unread")

    assert unchanged(queue, mails[0], settle, receipt)


def test_a_receipt_from_before_a_message_was_marked_unread_does_not_come_to_life_again(mails, queue, settle):
    receipt = queue.lease(1)[0].receipt
    for status in ("unread", "read"):
        queue.mark(mails[0], status)

    assert unchanged(queue, mails[0], settle, receipt)


def test_a_webhook_agent_s_message_marked_unread_is_in_no_queue(store, places, hook, clock):
    line = Line(store, hook.address, clock)
    message = store.run(lambda tx: places.message(tx, hook.address))
    line.mark(message.id, "read")
    line.mark(message.id, "unread")

    assert [] == line.ids()
