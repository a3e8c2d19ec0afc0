# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from store.directory.hitl import update_agent_hitl
from store.directory.sending_pause import pause_sending, resume_sending
from store.errors import InvalidValue, MessageNotFound, NotPendingApproval
from store.mail.messages import KEPT_FOR
from store.outbound.holds import (
    MAX_REASON,
    expire_reject,
    list_expired_pending,
    list_pending_outbound_for_user,
    reject_pending,
)
from store.outbound.sending import claim_approved

HOUR = 3600


@pytest.fixture
def owner(poll):
    return poll.user_id


@pytest.fixture
def pending(store, owner, clock):
    def ask(user_id=owner, *, limit=50, cursor=None):
        return store.run(
            lambda tx: list_pending_outbound_for_user(tx, user_id, limit=limit, cursor=cursor, now=clock.now())
        )

    return ask


@pytest.fixture
def reject(store, owner, clock):
    def decide(message, user_id=owner, reason=""):
        return store.run(lambda tx: reject_pending(tx, user_id, message.id, reason=reason, now=clock.now()))

    return decide


@pytest.fixture
def expired(store, clock):
    return lambda limit=10: store.run(lambda tx: list_expired_pending(tx, limit=limit, now=clock.now()))


# What waits


def test_what_waits_is_listed_soonest_expiring_first(compose, pending):
    late, soon, middle = (compose(ttl=ttl) for ttl in (300, 10, 100))
    compose()  # waits for nobody

    assert [soon.id, middle.id, late.id] == [item.id for item in pending().items]


def test_what_waits_is_listed_without_its_content(compose, pending):
    compose(ttl=60)

    (item,) = pending().items
    assert not {"text", "html", "attachments"} & set(dir(item))
    assert (("bo@reader.example", "cy@reader.example"), "Grüße") == (item.to, item.subject)


def test_what_waits_for_another_is_not_listed(compose, pending, stranger):
    compose(ttl=60)

    assert [] == pending(stranger.id).items


def test_pages_of_what_waits_follow_one_another(compose, pending):
    kept = sorted((compose(ttl=ttl) for ttl in (9, 5, 5, 5, 7)), key=lambda item: (item.hold_expires_at, item.id))
    first = pending(limit=2)
    second = pending(limit=2, cursor=first.next_cursor)
    third = pending(limit=2, cursor=second.next_cursor)

    assert [item.id for item in kept] == [item.id for page in (first, second, third) for item in page.items]
    assert third.next_cursor is None


def test_a_cursor_of_what_waits_is_the_same_in_an_address_as_it_is(compose, pending):
    for ttl in (1, 2):
        compose(ttl=ttl)
    cursor = pending(limit=1).next_cursor

    assert {"cursor": [cursor]} == parse_qs(f"cursor={cursor}")


def test_a_decision_does_not_move_the_cursor_of_who_reads_on(compose, pending, reject):
    kept = [compose(ttl=ttl) for ttl in (1, 2, 3, 4)]
    first = pending(limit=2)
    reject(kept[1])

    assert [kept[2].id, kept[3].id] == [item.id for item in pending(cursor=first.next_cursor).items]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "5", "~", "2026-11-23~msg_1", "2026-11-23T00:00:00~msg", "2026-11-23T00:00:00+00:00~" + "m" * 37],
)
def test_what_is_no_cursor_of_the_list_is_refused(pending, cursor):
    with pytest.raises(InvalidValue):
        pending(cursor=cursor)


# No


def test_a_rejected_mail_keeps_who_and_why_and_loses_its_content(compose, reject, owner, state, clock):
    held = compose(ttl=60)

    rejected = reject(held, reason="not like this")

    assert state(held) == rejected
    assert ("rejected", owner, clock.now(), "not like this") == (
        rejected.status,
        rejected.reviewed_by,
        rejected.reviewed_at,
        rejected.reason,
    )
    assert (None, None, (), clock.now()) == (
        rejected.text,
        rejected.html,
        rejected.attachments,
        rejected.scrubbed_at,
    )
    assert (held.to, held.subject) == (rejected.to, rejected.subject)


def test_a_mail_is_decided_once(compose, reject):
    held = compose(ttl=60)
    reject(held)

    with pytest.raises(NotPendingApproval):
        reject(held)


def test_a_mail_that_never_waited_is_not_rejected(compose, reject, state):
    queued = compose()

    with pytest.raises(NotPendingApproval):
        reject(queued)

    assert "queued" == state(queued).status


def test_a_stranger_decides_nothing(compose, reject, stranger, state):
    held = compose(ttl=60)

    with pytest.raises(MessageNotFound):
        reject(held, stranger.id)

    assert held == state(held)


@pytest.mark.parametrize("reason", ["r" * (MAX_REASON + 1), "a\0b", "\x1b[2J"])
def test_a_reason_is_for_people_to_read(compose, reject, state, reason):
    held = compose(ttl=60)

    with pytest.raises(InvalidValue):
        reject(held, reason=reason)

    assert held == state(held)


def test_a_reason_may_have_lines(compose, reject):
    assert "one\ntwo" == reject(compose(ttl=60), reason="one\ntwo").reason


# Nobody decides


def test_holds_whose_time_is_over_are_listed_with_what_is_to_be_done(store, compose, poll, owner, expired, clock):
    second, first = compose(ttl=20), compose(ttl=10)
    compose(ttl=HOUR)
    assert [] == expired()

    clock.advance(seconds=20)
    store.run(
        lambda tx: update_agent_hitl(
            tx, owner, poll.address, enabled=True, ttl_seconds=60, expiration_action="approve", now=clock.now()
        )
    )

    assert [(first.id, owner, "approve"), (second.id, owner, "approve")] == [
        (hold.message_id, hold.user_id, hold.action) for hold in expired()
    ]
    assert [first.id] == [hold.message_id for hold in expired(limit=1)]


def test_while_sending_is_paused_what_would_go_out_waits_and_holds_up_no_rejection(
    store, compose, poll, hook, owner, expired, clock
):
    def end_in_sending(tx):
        update_agent_hitl(
            tx, owner, poll.address, enabled=True, ttl_seconds=60, expiration_action="approve", now=clock.now()
        )
        pause_sending(tx, now=clock.now())

    to_go, capped, to_end = compose(ttl=10), compose(ttl=11, hold_reason="sends"), compose(ttl=12, agent=hook.address)
    store.run(end_in_sending)
    clock.advance(seconds=20)

    assert [capped.id, to_end.id] == [hold.message_id for hold in expired()]
    assert [capped.id] == [hold.message_id for hold in expired(limit=1)]
    store.run(resume_sending)
    assert [(to_go.id, "approve"), (capped.id, "reject")] == [
        (hold.message_id, hold.action) for hold in expired(limit=2)
    ]


def test_a_hold_ends_at_the_very_moment_that_was_said(compose, expired, clock):
    compose(ttl=10)
    clock.advance(seconds=9.999999)
    assert [] == expired()

    clock.advance(microseconds=1)

    assert 1 == len(expired())


def test_a_hold_that_nobody_decided_ends_as_rejected(store, compose, state, clock):
    held = compose(ttl=10)
    clock.advance(seconds=10)

    ended = store.run(lambda tx: expire_reject(tx, held.id, now=clock.now()))

    assert ("expired_rejected", None, None) == (ended.status, ended.reviewed_by, ended.text)
    assert ended == state(held)


def test_a_hold_that_still_has_time_does_not_end(store, compose, state, clock):
    held = compose(ttl=10)

    with pytest.raises(NotPendingApproval):
        store.run(lambda tx: expire_reject(tx, held.id, now=clock.now()))

    assert held == state(held)


def test_a_hold_that_somebody_decided_does_not_expire(store, compose, reject, expired, clock):
    held = compose(ttl=10)
    reject(held)
    clock.advance(seconds=10)

    assert [] == expired()
    with pytest.raises(NotPendingApproval):
        store.run(lambda tx: expire_reject(tx, held.id, now=clock.now()))


def test_a_hold_that_is_being_sent_is_neither_pending_nor_expired(
    store, compose, pending, reject, expired, owner, clock
):
    held = compose(ttl=10)
    store.run(lambda tx: claim_approved(tx, owner, held.id, lease=timedelta(minutes=1), now=clock.now()))
    clock.advance(seconds=10)

    assert ([], []) == (pending().items, expired())
    with pytest.raises(NotPendingApproval):
        reject(held)


def test_a_hold_that_outlived_the_message_is_not_listed(compose, pending, clock):
    compose(ttl=604_800)
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert [] == pending().items


@pytest.mark.parametrize("message_id", ["msg_404", ""])
def test_a_hold_that_is_not_there_does_not_expire(store, clock, message_id):
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: expire_reject(tx, message_id, now=clock.now()))
