"""What nobody knows the end of: a provider's word settles it in every state, and its owner's word sends it again."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest

from store.errors import MessageNotFound, NotFailed, NotUnconfirmed
from store.mail.usage import list_usage
from store.outbound.holds import reject_pending
from store.outbound.sending import (
    LEASE,
    claim_approved,
    claim_queued,
    list_send_attempts,
    settle_deferred,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.unconfirmed import (
    confirm_sent,
    deny_sent,
    end_leases,
    resolve_unconfirmed,
    send_failed_again,
    sweep_unconfirmed,
)


@pytest.fixture
def take(store, clock):
    """Claims the one mail of the queue."""

    def claim():
        (outgoing,) = store.run(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=clock.now()))
        return outgoing

    return claim


@pytest.fixture
def settle(store, clock):
    return lambda how, outgoing, *words, **more: store.run(
        lambda tx: how(tx, outgoing, *words, now=clock.now(), **more)
    )


@pytest.fixture
def confirm(store, clock):
    return lambda message, attempt, **more: store.run(
        lambda tx: confirm_sent(tx, message.id, attempt, "<0100-9@eu-west-1.amazonses.com>", now=clock.now(), **more)
    )


@pytest.fixture
def deny(store, clock):
    return lambda message, attempt: store.run(lambda tx: deny_sent(tx, message.id, attempt, "virus", now=clock.now()))


@pytest.fixture
def usage(store, poll, clock):
    def count(tx):
        today = clock.now().date()
        return {
            kind: n.count
            for day in list_usage(tx, poll.user_id, first=today, last=today)
            for kind, n in day.kinds.items()
        }

    return lambda: store.run(count)


@pytest.fixture
def again(store, poll, clock):
    return lambda message, user_id=poll.user_id: store.run(
        lambda tx: send_failed_again(tx, user_id, message.id, now=clock.now())
    )


@pytest.fixture
def attempts(store):
    return lambda message: [
        (each.outcome, each.error) for each in store.run(lambda tx: list_send_attempts(tx, message.id))
    ]


WAYS = {
    "sending": lambda settle, outgoing, at: None,
    "unconfirmed": lambda settle, outgoing, at: settle(settle_unconfirmed, outgoing, "cut"),
    "queued": lambda settle, outgoing, at: settle(settle_deferred, outgoing, "busy", until=at),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_that_tells_of_it_makes_it_sent(compose, take, settle, confirm, state, clock, way):
    written = compose()
    outgoing, done = take(), []
    WAYS[way](settle, outgoing, clock.now())
    assert way == state(written).status

    assert confirm(written, outgoing.attempt, on_sent=lambda _tx, message: done.append(message.text))

    sent = state(written)
    assert ("sent", "0100-9", None, ["hello"]) == (sent.status, sent.provider_message_id, sent.text, done)


def test_a_lost_answer_is_found_again(compose, take, settle, confirm, attempts):
    written = compose()
    outgoing = take()
    settle(settle_unconfirmed, outgoing, "cut")

    confirm(written, outgoing.attempt)

    assert [("sent", None)] == attempts(written)


def test_a_provider_that_tells_twice_changes_nothing_the_second_time(compose, take, confirm, state):
    written, done = compose(), []
    outgoing = take()
    confirm(written, outgoing.attempt)
    sent = state(written)

    assert not confirm(written, outgoing.attempt, on_sent=lambda *_: done.append(1))

    assert (sent, []) == (state(written), done)


def test_a_provider_that_rejects_ends_a_doubt_in_failure(compose, take, settle, state, attempts, deny, usage):
    written = compose()
    outgoing = take()
    assert not deny(written, outgoing.attempt)
    settle(settle_unconfirmed, outgoing, "cut")
    assert not deny(written, "snd_other")

    assert deny(written, outgoing.attempt)
    assert not deny(written, outgoing.attempt)

    failed = state(written)
    assert ("failed", "virus", "hello", [("failed", "virus")]) == (
        failed.status, failed.error, failed.text, attempts(written),
    )  # fmt: skip
    assert {"failed": 1} == usage()


def test_a_hold_in_doubt_that_is_rejected_does_not_come_back_to_wait(store, compose, poll, settle, state, deny, clock):
    held = compose(ttl=60)
    outgoing = store.run(lambda tx: claim_approved(tx, poll.user_id, held.id, lease=LEASE, now=clock.now()))
    settle(settle_unconfirmed, outgoing, "cut")

    deny(held, outgoing.attempt)
    settle(settle_failed, outgoing, "late")

    assert "failed" == state(held).status


def test_a_sender_that_says_yes_after_all_is_believed(compose, take, settle, state, deny):
    written = compose()
    outgoing = take()
    settle(settle_unconfirmed, outgoing, "cut")
    deny(written, outgoing.attempt)

    settle(settle_sent, outgoing, "0100-1")

    assert ("sent", None) == ((found := state(written)).status, found.error)


def test_news_of_an_attempt_before_the_last_settles_that_attempt_alone(
    compose, take, settle, confirm, state, attempts, clock
):
    written = compose()
    first = take()
    settle(settle_unconfirmed, first, "cut")
    store_again = WAYS["queued"]
    store_again(settle, first, clock.now())
    take()

    assert not confirm(written, first.attempt)

    assert ("sending", ["failed", "sending"]) == (
        state(written).status,
        [outcome for outcome, _ in attempts(written)],
    )


def test_an_attempt_that_was_given_up_is_told_as_sent_but_the_mail_is_its_newer_attempt_s(
    store, compose, take, settle, confirm, state, attempts, poll, clock
):
    written = compose()
    first = take()
    settle(settle_unconfirmed, first, "cut")
    store.run(lambda tx: resolve_unconfirmed(tx, poll.user_id, written.id, "send_again", now=clock.now()))
    take()

    assert not confirm(written, first.attempt)

    assert ("sending", ["sent", "sending"]) == (state(written).status, [outcome for outcome, _ in attempts(written)])


@pytest.mark.parametrize("how", ["failed", "rejected"])
def test_a_mail_whose_way_has_ended_otherwise_stays_as_it_is(
    store, compose, take, settle, confirm, state, poll, clock, how
):
    written = compose(ttl=60) if how == "rejected" else compose()
    if how == "rejected":
        attempt = "snd_none"
        store.run(lambda tx: reject_pending(tx, poll.user_id, written.id, now=clock.now()))
    else:
        outgoing = take()
        attempt = outgoing.attempt
        settle(settle_failed, outgoing, "550 no")

    assert not confirm(written, attempt)

    assert how == state(written).status


# Its owner


def test_once_nobody_sends_any_more_no_lease_is_waited_for(compose, take, state, store, clock):
    under_way = compose()
    taken = take()
    waiting = compose()

    store.run(lambda tx: end_leases(tx, now=clock.now()))
    swept = store.run(lambda tx: sweep_unconfirmed(tx, limit=10, now=clock.now()))

    assert [under_way.id] == [taken.message.id] == swept
    assert ("unconfirmed", "queued") == (state(under_way).status, state(waiting).status)


def test_what_is_sent_again_is_due_at_once_and_another_attempt(compose, take, settle, again, state, attempts, clock):
    written = compose()
    settle(settle_failed, take(), "550 no")
    clock.advance(hours=1)

    assert "queued" == again(written).status

    second = take()
    assert (2, "sent") == (second.tries, settle(settle_sent, second, "0100-2").status)
    assert [("failed", "550 no"), ("sent", None)] == attempts(written)


def test_only_what_has_failed_is_sent_again(compose, take, settle, again):
    written = compose()
    with pytest.raises(NotFailed):
        again(written)
    settle(settle_sent, take(), "0100-1")

    with pytest.raises(NotFailed):
        again(written)


def test_nobody_sends_another_s_mail_again(compose, take, settle, again, stranger, state):
    written = compose()
    settle(settle_failed, take(), "550 no")

    with pytest.raises(MessageNotFound):
        again(written, stranger.id)

    assert "failed" == state(written).status


def test_the_owner_s_word_that_it_went_out_does_what_belongs_to_that_once(
    store, compose, take, settle, state, poll, clock
):
    written, done = compose(), []
    settle(settle_unconfirmed, take(), "cut")

    def say(tx):
        on_sent = lambda _tx, message: done.append(message.text)  # noqa: E731
        return resolve_unconfirmed(tx, poll.user_id, written.id, "sent", now=clock.now(), on_sent=on_sent)

    store.run(say)
    with pytest.raises(NotUnconfirmed):
        store.run(say)

    assert (["hello"], None) == (done, state(written).text)


def test_a_hold_in_doubt_that_is_sent_again_goes_to_the_queue_and_asks_nobody_twice(
    store, compose, take, settle, poll, clock
):
    held = compose(ttl=60)
    outgoing = store.run(lambda tx: claim_approved(tx, poll.user_id, held.id, lease=LEASE, now=clock.now()))
    settle(settle_unconfirmed, outgoing, "cut")

    store.run(lambda tx: resolve_unconfirmed(tx, poll.user_id, held.id, "send_again", now=clock.now()))

    second = take()
    assert (held.id, "queue", 1) == (second.message.id, second.origin, second.tries)
