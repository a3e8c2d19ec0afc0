"""Letters to people wait for their turn, are taken by one worker, and are settled once."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta

import pytest
from sqlalchemy import select

from store.errors import UserNotFound
from store.outbound.letters_queue import (
    REVIEWS,
    SIGN_INS,
    claim_due_letters,
    enqueue_review,
    enqueue_sign_in,
    next_letter_due,
    settle_letter_deferred,
    settle_letter_failed,
    settle_letter_sent,
)
from store.schema.outbound import notifications
from store.upkeep.retention import LETTERS_LAST, delete_old_letters
from store.wake import LETTERS
from tests.store.gate import together
from tests.store.plans import plan_of

LEASE = timedelta(minutes=5)


@pytest.fixture
def held(compose):
    return compose(ttl=3600)


@pytest.fixture
def ask(store, ana, held, clock):
    """Has a review letter about the held mail asked for."""
    return lambda revision=1: store.run(lambda tx: enqueue_review(tx, ana.id, held.id, revision, now=clock.now()))


@pytest.fixture
def claim(store, clock):
    return lambda limit=10: store.run(lambda tx: claim_due_letters(tx, limit=limit, lease=LEASE, now=clock.now()))


@pytest.fixture
def rows(store):
    """Every letter as (status, revision, error), oldest first."""
    columns = (notifications.c.status, notifications.c.revision, notifications.c.error)
    query = select(*columns).order_by(notifications.c.created_at, notifications.c.revision)
    return lambda: [tuple(row) for row in store.run(lambda tx: tx.execute(query).all())]


def sign_in(store, user, clock):
    store.run(lambda tx: enqueue_sign_in(tx, user.id, now=clock.now()))


def test_a_letter_that_was_asked_for_is_taken_by_one_worker(ask, claim, held, ana):
    ask()

    (letter,) = claim()

    assert ("review", held.id, 1, ana.id, 1) == (
        letter.kind, letter.message_id, letter.revision, letter.user_id, letter.attempts,
    )  # fmt: skip
    assert [] == claim()


def test_of_many_workers_at_once_each_letter_has_one(store, ana, clock):
    for _ in range(SIGN_INS):
        sign_in(store, ana, clock)

    def take():
        return store.run(lambda tx: claim_due_letters(tx, limit=2, lease=LEASE, now=clock.now()))

    taken = [letter.id for letters in together([take] * 4) for letter in letters]

    assert len(taken) == len(set(taken)) == SIGN_INS


def test_a_letter_whose_worker_died_is_due_again_when_the_lease_is_over(ask, claim, clock):
    ask()
    claim()
    clock.advance(minutes=5)

    (letter,) = claim()

    assert 2 == letter.attempts


def test_asking_rings_for_whoever_sends(store, ana, held, clock):
    def unit(tx):
        enqueue_review(tx, ana.id, held.id, 1, now=clock.now())
        return set(tx.topics)

    assert {LETTERS} == store.run(unit)


def test_asked_for_twice_a_letter_goes_once(ask, claim):
    ask()
    ask()

    assert 1 == len(claim())


def test_a_newer_revision_takes_the_place_of_what_has_not_gone(ask, claim, rows, clock):
    ask(1)
    clock.advance(seconds=1)
    ask(2)

    assert [2] == [letter.revision for letter in claim()]
    assert [("failed", 1, "superseded: the draft was edited"), ("pending", 2, None)] == rows()


def test_an_older_revision_that_comes_late_is_not_told_of(ask, claim):
    ask(2)
    ask(1)

    assert [2] == [letter.revision for letter in claim()]


def test_a_runaway_agent_fills_nobody_s_mailbox(store, ana, bo, compose, clock, claim):
    def hold(user):
        held = compose(ttl=3600)
        store.run(lambda tx: enqueue_review(tx, user.id, held.id, 1, now=clock.now()))

    for _ in range(REVIEWS + 2):
        hold(ana)
    hold(bo)
    assert sorted([ana.id] * REVIEWS + [bo.id]) == sorted(letter.user_id for letter in claim(limit=REVIEWS * 2))

    clock.advance(hours=1)
    hold(ana)
    assert REVIEWS + 2 == len(claim(limit=REVIEWS * 2))  # those that were claimed are due again too


def test_the_sixth_letter_to_sign_in_by_within_an_hour_is_none(store, ana, bo, clock, claim):
    for _ in range(SIGN_INS + 1):
        sign_in(store, ana, clock)
    sign_in(store, bo, clock)
    assert sorted([ana.id] * SIGN_INS + [bo.id]) == sorted(letter.user_id for letter in claim())
    clock.advance(hours=1)

    sign_in(store, ana, clock)

    assert SIGN_INS + 2 == len(claim(limit=20))  # those that were claimed are due again too


def test_many_who_ask_at_once_get_no_more_letters_than_one(store, ana, clock, claim):
    together([lambda: sign_in(store, ana, clock)] * (SIGN_INS * 2))

    assert SIGN_INS == len(claim(limit=20))


def test_nobody_is_not_written_to(store, clock):
    with pytest.raises(UserNotFound):
        store.run(lambda tx: enqueue_sign_in(tx, "usr_0", now=clock.now()))


def test_a_letter_that_has_gone_stays_gone(store, ask, claim, rows, clock):
    ask()
    (letter,) = claim()

    store.run(lambda tx: settle_letter_sent(tx, letter, note="perhaps twice", now=clock.now()))
    store.run(lambda tx: settle_letter_failed(tx, letter, "no", now=clock.now()))

    assert [("sent", 1, "perhaps twice")] == rows()
    clock.advance(minutes=6)
    assert [] == claim()


def test_a_deferred_letter_is_due_again_at_its_time(store, ask, claim, clock):
    ask()
    (letter,) = claim()
    due = clock.now() + timedelta(minutes=30)
    store.run(lambda tx: settle_letter_deferred(tx, letter, "busy", due_at=due))
    clock.advance(minutes=29)
    assert ([], due) == (claim(), store.run(next_letter_due))
    clock.advance(minutes=1)

    (again,) = claim()

    assert 2 == again.attempts


def test_a_worker_that_comes_back_late_settles_nothing_of_a_newer_claim(store, ask, claim, rows, clock):
    ask()
    (late,) = claim()
    clock.advance(minutes=5)
    (current,) = claim()

    store.run(lambda tx: settle_letter_failed(tx, late, "late", now=clock.now()))
    store.run(lambda tx: settle_letter_deferred(tx, late, "late", due_at=clock.now()))
    assert [("pending", 1, None)] == rows()
    store.run(lambda tx: settle_letter_failed(tx, current, "x" * 600, now=clock.now()))

    assert [("failed", 1, "x" * 500)] == rows()


def test_a_late_worker_whose_letter_has_gone_is_believed(store, ask, claim, rows, clock):
    ask()
    (late,) = claim()
    clock.advance(minutes=5)
    claim()

    store.run(lambda tx: settle_letter_sent(tx, late, now=clock.now()))

    assert [("sent", 1, None)] == rows()


def test_nothing_is_due_where_nobody_waits(store):
    assert store.run(next_letter_due) is None


def test_letters_go_thirty_days_after_they_were_settled(store, ana, ask, claim, rows, clock):
    ask()
    sign_in(store, ana, clock)
    letter = next(letter for letter in claim() if letter.kind == "review")
    store.run(lambda tx: settle_letter_sent(tx, letter, now=clock.now()))
    clock.advance(seconds=LETTERS_LAST.total_seconds() - 1)
    assert 0 == store.run(lambda tx: delete_old_letters(tx, now=clock.now(), limit=10))
    clock.advance(seconds=1)

    assert 1 == store.run(lambda tx: delete_old_letters(tx, now=clock.now(), limit=10))
    assert [("pending", None, None)] == rows()


def test_no_question_about_letters_reads_the_table_from_end_to_end(whole, clock):
    def unit(tx):
        owner = tx.execute(select(notifications.c.user_id, notifications.c.message_id)).first()
        enqueue_review(tx, owner.user_id, owner.message_id, 2, now=clock.now())
        enqueue_sign_in(tx, owner.user_id, now=clock.now())
        next_letter_due(tx)
        for letter in claim_due_letters(tx, limit=1, lease=LEASE, now=clock.now()):
            settle_letter_deferred(tx, letter, "", due_at=clock.now())
            settle_letter_failed(tx, letter, "", now=clock.now())
            settle_letter_sent(tx, letter, now=clock.now())

    scans = [step for step in plan_of(whole, unit) if step.startswith("SCAN notifications")]

    # The first is the test's own. The least due time is the first entry of the index for it, and no more is read.
    assert ["SCAN notifications"] == [step for step in scans if "notifications_due" not in step]
