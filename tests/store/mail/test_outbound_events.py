"""What becomes of its mail is told to an agent's webhook, as far as it wants to know."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest

from store.directory.agents import update_agent_mode
from store.mail.deliveries import get_delivery, list_deliveries
from store.mail.outbound_events import enqueue_outbound_event
from store.outbound.holds import expire_reject, reject_pending
from store.outbound.sending import (
    LEASE,
    claim_approved,
    claim_expired,
    claim_queued,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.unconfirmed import confirm_sent, resolve_unconfirmed, sweep_unconfirmed

ALL = [f"email.{what}" for what in ("sent", "failed", "pending_approval", "approved", "rejected", "expired")]


@pytest.fixture
def curious(store, places):
    """An agent with a webhook that is told everything about its own mail."""

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return places.agent(tx, user, "curious@agents.example", webhook="https://hooks.example/in", events=ALL)

    return store.run(unit)


@pytest.fixture
def write(compose, curious):
    return lambda **more: compose(agent=curious.address, **more)


@pytest.fixture
def told(store):
    """The events there are, oldest first, with what they add."""

    def read(tx):
        items = reversed(list_deliveries(tx).items)
        return [(each.event_type, get_delivery(tx, each.id).details) for each in items]

    return lambda: store.run(read)


@pytest.fixture
def do(store, clock):
    return lambda ask, *words, **more: store.run(lambda tx: ask(tx, *words, **more, now=clock.now()))


def test_an_agent_that_polls_is_told_nothing(store, do, poll, compose, told):
    message = compose(ttl=60)

    do(enqueue_outbound_event, poll.address, "email.sent", message.id)

    assert [] == told()


def test_a_webhook_hears_only_of_the_events_it_chose(do, hook, compose, told):
    message = compose(agent=hook.address)

    for event in ALL:
        do(enqueue_outbound_event, hook.address, event, message.id)

    assert [] == told()


def test_an_agent_that_is_gone_is_told_nothing(do, compose, told):
    do(enqueue_outbound_event, "no@agents.example", "email.sent", compose().id)

    assert [] == told()


def test_one_that_polls_from_now_on_hears_no_more(store, do, curious, write, told):
    message = write()
    do(update_agent_mode, curious.user_id, curious.address, "poll")

    do(enqueue_outbound_event, curious.address, "email.sent", message.id)

    assert [] == told()


def test_a_mail_from_the_queue_is_told_as_sent_or_failed(do, write, told):
    write(), write()
    first, second = do(claim_queued, limit=2, lease=LEASE)

    do(settle_sent, first, "0100-1")
    do(settle_failed, second, "550 no")

    assert [("email.sent", None), ("email.failed", {"error": "550 no"})] == told()


def test_an_approved_mail_is_told_with_who_and_why(do, write, told, curious):
    held = write(ttl=60)
    outgoing = do(claim_approved, curious.user_id, held.id, reason="fine", lease=LEASE)
    assert [("email.pending_approval", {"hold_reason": "owner"})] == told()

    do(settle_sent, outgoing, "0100-1")

    approved = {"reviewed_by": curious.user_id, "reason": "fine"}
    assert [("email.approved", approved), ("email.sent", None)] == told()[1:]


def test_an_approval_that_comes_back_to_wait_is_not_told(do, write, told, curious):
    held = write(ttl=60)

    do(settle_failed, do(claim_approved, curious.user_id, held.id, lease=LEASE), "busy")

    assert ["email.pending_approval"] == [event for event, _ in told()]


def test_an_unconfirmed_approval_has_an_approved_event_and_no_sent_event(do, write, told, curious):
    held = write(ttl=60)

    do(settle_unconfirmed, do(claim_approved, curious.user_id, held.id, lease=LEASE), "cut")

    assert ["email.pending_approval", "email.approved"] == [event for event, _ in told()]


ENDS = {
    "the provider tells": lambda do, held, by, attempt: do(confirm_sent, held.id, attempt, "0100-1"),
    "its owner says so": lambda do, held, by, attempt: do(resolve_unconfirmed, by, held.id, "sent"),
    "it is sent again": lambda do, held, by, attempt: do(resolve_unconfirmed, by, held.id, "send_again"),
}


@pytest.mark.parametrize("end", ENDS)
def test_whoever_approved_and_died_is_told_of_once_it_is_known_how_that_ended(do, write, told, curious, clock, end):
    held = write(ttl=60)
    outgoing = do(claim_approved, curious.user_id, held.id, reason="fine", lease=LEASE)
    clock.advance(seconds=LEASE.total_seconds())
    do(sweep_unconfirmed, limit=9)
    assert ["email.pending_approval"] == [event for event, _ in told()]

    ENDS[end](do, held, curious.user_id, outgoing.attempt)
    do(settle_sent, outgoing, "0100-1")  # it was only late

    approved = {"reviewed_by": curious.user_id, "reason": "fine"}
    assert [("email.approved", approved), ("email.sent", None)] == told()[1:]


def test_a_hold_that_ended_in_a_send_that_was_cut_off_is_told_once_the_provider_tells(do, write, told, clock):
    held = write(ttl=60)
    clock.advance(seconds=60)
    outgoing = do(claim_expired, held.id, lease=LEASE)

    do(confirm_sent, held.id, outgoing.attempt, "0100-1")

    assert [("email.expired", {"action": "approve"}), ("email.sent", None)] == told()[1:]


def test_a_late_no_behind_the_sweep_lets_it_wait_again_and_tells_nothing(do, write, told, curious, clock):
    held = write(ttl=60)
    outgoing = do(claim_approved, curious.user_id, held.id, lease=LEASE)
    clock.advance(seconds=LEASE.total_seconds())
    do(sweep_unconfirmed, limit=9)

    do(settle_failed, outgoing, "busy")

    assert ["email.pending_approval"] == [event for event, _ in told()]


def test_a_rejection_is_told_with_who_and_why(do, write, told, curious):
    do(reject_pending, curious.user_id, write(ttl=60).id, reason="not so")

    assert ("email.rejected", {"reviewed_by": curious.user_id, "reason": "not so"}) == told()[-1]


def test_a_hold_s_end_is_told_with_what_was_done(do, write, told, clock):
    sent, dropped = write(ttl=60, hold_reason="owner"), write(ttl=60, hold_reason="sends")
    clock.advance(seconds=60)

    do(settle_sent, do(claim_expired, sent.id, lease=LEASE), "0100-1")
    do(expire_reject, dropped.id)

    assert [
        ("email.pending_approval", {"hold_reason": "owner"}),
        ("email.pending_approval", {"hold_reason": "sends"}),
    ] == (told()[:2])
    assert [
        ("email.expired", {"action": "approve"}),
        ("email.sent", None),
        ("email.expired", {"action": "reject"}),
    ] == told()[2:]
