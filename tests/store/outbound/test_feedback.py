from dataclasses import replace

import pytest

from store.errors import InvalidValue
from store.outbound.feedback import find_message_of_attempt, list_feedback, record_feedback
from store.outbound.sending import LEASE, claim_approved
from store.records.feedback import Feedback

BO = "bo@reader.example"


@pytest.fixture
def told(clock):
    return Feedback(
        event_id="0100-1", kind="bounced", recipient=BO, is_permanent=True, detail="550 5.1.1 gone", at=clock.now()
    )


def test_what_is_told_of_a_mail_is_kept_once(store, compose, told):
    message = compose()

    assert [True, False] == [store.run(lambda tx: record_feedback(tx, message.id, told)) for _ in range(2)]
    assert [told] == store.run(lambda tx: list_feedback(tx, message.id))


@pytest.mark.parametrize(
    "other", [{"event_id": "0100-2"}, {"kind": "delayed"}, {"recipient": "cy@reader.example"}], ids=str
)
def test_another_thing_told_is_kept_beside_it(store, compose, told, other):
    message, more = compose(), replace(told, **other)

    assert [True, True] == [
        store.run(lambda tx, each=each: record_feedback(tx, message.id, each)) for each in (told, more)
    ]
    assert [told, more] == store.run(lambda tx: list_feedback(tx, message.id))


def test_the_same_told_of_another_mail_is_that_one_s(store, compose, told):
    one, other = compose(), compose()

    assert store.run(lambda tx: record_feedback(tx, one.id, told))
    assert store.run(lambda tx: record_feedback(tx, other.id, told))
    assert [told] == store.run(lambda tx: list_feedback(tx, one.id))


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_id": "x" * 201},
        {"event_id": "a\0b"},
        {"recipient": "x" * 321},
        {"recipient": "a\nb"},
        {"detail": "x" * 501},
        {"detail": "\0"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_a_row_cannot_hold_is_refused(store, compose, told, wrong):
    message = compose()

    with pytest.raises(InvalidValue):
        store.run(lambda tx: record_feedback(tx, message.id, replace(told, **wrong)))
    assert [] == store.run(lambda tx: list_feedback(tx, message.id))


def test_a_message_is_found_by_the_attempt_that_sent_it(store, poll, clock, compose):
    message = compose(ttl=60)
    outgoing = store.run(lambda tx: claim_approved(tx, poll.user_id, message.id, lease=LEASE, now=clock.now()))

    assert message.id == store.run(lambda tx: find_message_of_attempt(tx, outgoing.attempt))
    assert None is store.run(lambda tx: find_message_of_attempt(tx, "snd_0"))
