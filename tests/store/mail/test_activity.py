# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest

from store.errors import InvalidValue
from store.mail.activity import list_activity_by_agent
from store.mail.deliveries import claim_due, list_deliveries_of_message, settle_delivered
from store.mail.messages import KEPT_FOR
from store.outbound.outbound import create_outbound_message
from store.outbound.sending import LEASE
from store.records.mail import Attempt
from tests.places import new_outbound


@pytest.fixture
def activity(store, poll, clock):
    def ask(agent=poll.address, *, limit=50, cursor=None):
        return store.run(lambda tx: list_activity_by_agent(tx, agent, limit=limit, cursor=cursor, now=clock.now()))

    return ask


def test_both_directions_are_listed_newest_first(arrive, compose, poll, activity):
    kept = [arrive(poll), compose(), arrive(poll), compose(ttl=60)]

    assert [(message.id, message.status) for message in reversed(kept)] == [
        (item.id, item.status) for item in activity().items
    ]


def test_a_message_is_told_with_who_and_what(arrive, compose, poll, activity):
    inbound, outbound = arrive(poll), compose()

    written, received = activity().items
    assert ("inbound", "bo@sender.example", (poll.address,), True, "sender.example") == (
        received.direction,
        received.from_address,
        received.to,
        received.verified,
        received.verified_domain,
    )
    assert ("outbound", poll.address, (*outbound.to, *outbound.cc, *outbound.bcc), "Grüße") == (
        written.direction,
        written.from_address,
        written.to,
        written.subject,
    )
    assert (inbound.conversation_id, outbound.conversation_id) == (received.conversation_id, written.conversation_id)


def test_what_became_of_its_deliveries_is_told(store, arrive, hook, activity, clock):
    delivered, waiting = arrive(hook), arrive(hook)
    attempt = Attempt(at=clock.now(), duration_ms=5, status=200, error=None)

    def unit(tx):
        for claim in claim_due(tx, hook.address, limit=1, lease=LEASE, now=clock.now()):
            settle_delivered(tx, claim, attempt, now=clock.now())
        return {each.id: list_deliveries_of_message(tx, each.id) for each in (delivered, waiting)}

    kept = store.run(unit)

    found = {item.id: item.deliveries for item in activity(hook.address).items}
    for message_id, (delivery,) in kept.items():
        (state,) = found[message_id]
        assert (delivery.id, "email.received", delivery.status, delivery.attempts, delivery.last_status) == (
            state.delivery_id,
            state.event_type,
            state.status,
            state.attempts,
            state.last_status,
        )
    assert {"delivered", "pending"} == {states[0].status for states in found.values()}


def test_pages_follow_one_another_and_new_mail_does_not_move_them(arrive, poll, activity):
    kept = [arrive(poll).id for _ in range(5)]
    first = activity(limit=2)
    arrive(poll)
    second = activity(limit=2, cursor=first.next_cursor)
    third = activity(limit=2, cursor=second.next_cursor)

    assert kept[::-1] == [item.id for page in (first, second, third) for item in page.items]
    assert third.next_cursor is None


def test_nothing_of_another_agent_is_listed(store, arrive, poll, other, activity, clock):
    mine = arrive(poll)
    arrive(other)
    store.run(lambda tx: create_outbound_message(tx, new_outbound(other.address, at=clock.now())))

    assert [mine.id] == [item.id for item in activity().items]


def test_what_is_over_is_not_listed(arrive, poll, activity, clock):
    arrive(poll)
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert [] == activity().items


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1~msg"])
def test_what_is_no_cursor_is_refused(activity, cursor):
    with pytest.raises(InvalidValue):
        activity(cursor=cursor)
