# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import date, timedelta

import pytest

from store.agents import delete_agent
from store.doubt import resolve_unconfirmed, sweep_unconfirmed
from store.errors import InvalidValue, MessageNotFound, NotPendingApproval, NotUnconfirmed
from store.outbound import read_draft
from store.pending_approval_edit import NO_EDIT, PendingApprovalEdit
from store.records_outbound import OutboundAttachment
from store.sending import (
    EXPIRY_RETRIES,
    LEASE,
    MAX_ERROR,
    claim_approved,
    claim_expired,
    list_send_attempts,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.usage import list_usage

PROVIDER_ID = "<0100abc-1@eu-west-1.amazonses.com>"


@pytest.fixture
def owner(poll):
    return poll.user_id


@pytest.fixture
def approve(store, owner, clock):
    def claim(message, *, edit=NO_EDIT, user_id=owner):
        return store.run(lambda tx: claim_approved(tx, user_id, message.id, edit=edit, lease=LEASE, now=clock.now()))

    return claim


@pytest.fixture
def expire(store, clock):
    return lambda message: store.run(lambda tx: claim_expired(tx, message.id, lease=LEASE, now=clock.now()))


@pytest.fixture
def settle(store, clock):
    """Writes down what became of an attempt."""

    def write(how, outgoing, *words):
        return store.run(lambda tx: how(tx, outgoing, *words, now=clock.now()))

    return write


@pytest.fixture
def sweep(store, clock):
    return lambda limit=10: store.run(lambda tx: sweep_unconfirmed(tx, limit=limit, now=clock.now()))


@pytest.fixture
def resolve(store, owner, clock):
    return lambda message, verdict, user_id=owner: store.run(
        lambda tx: resolve_unconfirmed(tx, user_id, message.id, verdict, now=clock.now())
    )


@pytest.fixture
def attempts(store):
    return lambda message: store.run(lambda tx: list_send_attempts(tx, message.id))


# Claimed


def test_an_approved_mail_is_one_worker_s_with_all_that_it_needs(store, compose, approve, owner, state, clock):
    held = compose(ttl=60)

    outgoing = approve(held)

    assert ("sending", owner, clock.now()) == (state(held).status, state(held).reviewed_by, state(held).reviewed_at)
    assert outgoing.draft == store.run(lambda tx: read_draft(tx, held))
    assert outgoing.message == state(held)


def test_a_mail_is_claimed_once(compose, approve, expire, clock):
    held = compose(ttl=60)
    approve(held)
    clock.advance(seconds=60)

    for again in (approve, expire):
        with pytest.raises(NotPendingApproval):
            again(held)


def test_a_queued_mail_has_nothing_to_approve(compose, approve, state):
    queued = compose()

    with pytest.raises(NotPendingApproval):
        approve(queued)

    assert "queued" == state(queued).status


def test_nobody_approves_for_another(compose, approve, stranger, state):
    held = compose(ttl=60)

    with pytest.raises(MessageNotFound):
        approve(held, user_id=stranger.id)

    assert held == state(held)


def test_a_hold_that_still_has_time_does_not_go_by_itself(compose, expire, state, clock):
    held = compose(ttl=60)
    clock.advance(seconds=59)

    with pytest.raises(NotPendingApproval):
        expire(held)

    assert held == state(held)


# Edited


def test_what_a_reviewer_changed_is_what_is_sent_and_kept(store, compose, approve, state):
    held = compose(ttl=60)
    file = OutboundAttachment(filename="b.txt", content_type="text/plain", content=b"bbb")
    edit = PendingApprovalEdit(subject="new", text="other", bcc=(), attachments=(file, file))

    outgoing = approve(held, edit=edit)

    kept = state(held)
    assert outgoing.draft == store.run(lambda tx: read_draft(tx, kept))
    assert ("new", "other", held.html, held.to, (), 2) == (
        kept.subject,
        kept.text,
        kept.html,
        kept.to,
        kept.bcc,
        kept.revision,
    )
    assert [(0, "b.txt", 3), (1, "b.txt", 3)] == [(each.number, each.filename, each.size) for each in kept.attachments]


def test_an_edit_that_changes_nothing_is_no_revision(compose, approve, state):
    held = compose(ttl=60)
    approve(held, edit=PendingApprovalEdit(subject=held.subject, text=held.text))

    assert 1 == state(held).revision


@pytest.mark.parametrize("edit", [{"to": (), "cc": (), "bcc": ()}, {"subject": "a\nb"}, {"to": ("nobody",)}])
def test_an_edit_that_no_mail_could_be_decides_nothing(compose, approve, state, attempts, edit):
    held = compose(ttl=60)

    with pytest.raises(InvalidValue):
        approve(held, edit=PendingApprovalEdit(**edit))

    assert (held, []) == (state(held), attempts(held))


# Sent


def test_a_sent_mail_has_the_provider_s_id_and_no_content(compose, approve, settle, state, attempts, clock):
    held = compose(ttl=60)
    outgoing = approve(held)
    clock.advance(seconds=2)

    sent = settle(settle_sent, outgoing, PROVIDER_ID)

    assert ("sent", "0100abc-1", None, None, (), clock.now()) == (
        sent.status,
        sent.provider_message_id,
        sent.text,
        sent.html,
        sent.attachments,
        sent.scrubbed_at,
    )
    assert sent == state(held)
    (attempt,) = attempts(held)
    assert ("approval", "sent", PROVIDER_ID, clock.now()) == (
        attempt.origin,
        attempt.outcome,
        attempt.provider_message_id,
        attempt.settled_at,
    )


def test_a_hold_that_was_sent_at_its_end_says_so(compose, expire, settle, clock):
    held = compose(ttl=60)
    clock.advance(seconds=60)

    assert "expired_approved" == settle(settle_sent, expire(held), PROVIDER_ID).status


@pytest.mark.parametrize("named", [PROVIDER_ID, "0100abc-1", "<0100abc-1@email.amazonses.com>"])
def test_an_answer_finds_what_was_sent_by_the_provider_s_id(compose, approve, settle, arrive, poll, named):
    held = compose(ttl=60)
    settle(settle_sent, approve(held), "0100abc-1")

    assert held.conversation_id == arrive(poll, parent_ids=(named,)).conversation_id


def test_what_was_sent_is_counted(store, compose, approve, settle, owner, clock):
    settle(settle_sent, approve(compose(ttl=60)), PROVIDER_ID)
    settle(settle_failed, approve(compose(ttl=60)), "down")

    (day,) = store.run(lambda tx: list_usage(tx, owner, first=date(2026, 11, 23), last=date(2026, 11, 23)))
    assert {"sent": 1} == {kind: amount.count for kind, amount in day.kinds.items()}


# Not sent


def test_a_mail_that_did_not_go_out_waits_as_before_with_the_error_kept(compose, approve, settle, state, attempts):
    held = compose(ttl=60)

    failed = settle(settle_failed, approve(held), "throttled " * 100)

    assert ("pending_approval", None, held.text, held.attachments, held.hold_expires_at) == (
        failed.status,
        failed.reviewed_by,
        failed.text,
        failed.attachments,
        failed.hold_expires_at,
    )
    assert ("throttled " * 100)[:MAX_ERROR] == failed.error == attempts(held)[0].error
    assert "sent" == settle(settle_sent, approve(held), PROVIDER_ID).status
    assert (None, ["failed", "sent"]) == (state(held).error, [attempt.outcome for attempt in attempts(held)])


def test_a_hold_whose_sending_fails_waits_a_little_longer_each_time_and_then_has_failed(
    compose, expire, settle, state, clock
):
    held = compose(ttl=60)
    clock.advance(seconds=60)
    for longer in EXPIRY_RETRIES:
        failed = settle(settle_failed, expire(held), "down")
        assert ("pending_approval", clock.now() + longer) == (failed.status, failed.hold_expires_at)
        clock.advance(seconds=longer.total_seconds())

    failed = settle(settle_failed, expire(held), "down")

    assert ("failed", "down", held.text, held.attachments) == (
        failed.status,
        failed.error,
        failed.text,
        failed.attachments,
    )


def test_a_person_may_still_decide_while_an_expired_hold_waits_to_be_tried_again(
    compose, expire, approve, settle, clock
):
    held = compose(ttl=60)
    clock.advance(seconds=60)
    settle(settle_failed, expire(held), "down")

    assert "sent" == settle(settle_sent, approve(held), PROVIDER_ID).status


# Nobody knows


def test_a_mail_whose_answer_was_lost_is_shown_and_kept(compose, approve, settle, state):
    held = compose(ttl=60)

    lost = settle(settle_unconfirmed, approve(held), "connection reset")

    assert ("unconfirmed", "connection reset", held.text) == (lost.status, lost.error, lost.text)
    with pytest.raises(NotPendingApproval):
        approve(held)


def test_a_sender_that_died_is_found_when_its_lease_is_over(compose, approve, sweep, state, attempts, clock):
    held, other = compose(ttl=60), compose(ttl=60)
    approve(held)
    clock.advance(seconds=LEASE.total_seconds() - 0.000001)
    approve(other)
    assert [] == sweep()

    clock.advance(microseconds=1)

    assert [held.id] == sweep()
    assert [] == sweep()
    assert ("unconfirmed", "sending") == (state(held).status, state(other).status)
    assert ["unconfirmed"] == [attempt.outcome for attempt in attempts(held)]


def test_a_sweep_takes_so_many_at_once_and_the_oldest_first(compose, approve, sweep, clock):
    kept = []
    for _ in range(3):
        kept.append(compose(ttl=60))
        approve(kept[-1])
        clock.advance(seconds=1)
    clock.advance(seconds=LEASE.total_seconds())

    assert [[kept[0].id, kept[1].id], [kept[2].id], []] == [sweep(2), sweep(2), sweep(2)]


@pytest.mark.parametrize(("verdict", "status"), [("sent", "sent"), ("send_again", "queued")])
def test_its_owner_says_what_became_of_it(compose, approve, settle, resolve, verdict, status):
    held = compose(ttl=60)
    settle(settle_unconfirmed, approve(held), "lost")

    resolved = resolve(held, verdict)

    assert (status, status == "sent") == (resolved.status, resolved.text is None)


def test_what_nobody_doubts_is_not_resolved(compose, approve, settle, resolve, stranger, state):
    held = compose(ttl=60)
    with pytest.raises(NotUnconfirmed):
        resolve(held, "sent")
    settle(settle_unconfirmed, approve(held), "lost")

    with pytest.raises(MessageNotFound):
        resolve(held, "sent", stranger.id)

    assert "unconfirmed" == state(held).status


# Late


def test_an_answer_that_comes_after_the_sweep_is_still_the_truth(compose, approve, settle, sweep, clock):
    held = compose(ttl=60)
    outgoing = approve(held)
    clock.advance(seconds=LEASE.total_seconds())
    sweep()

    assert "sent" == settle(settle_sent, outgoing, PROVIDER_ID).status


def test_a_failure_that_comes_after_the_sweep_puts_it_back_to_wait(compose, approve, settle, sweep, clock):
    held = compose(ttl=60)
    outgoing = approve(held)
    clock.advance(seconds=LEASE.total_seconds())
    sweep()

    assert "pending_approval" == settle(settle_failed, outgoing, "refused").status


def test_an_answer_that_comes_before_it_is_sent_again_stops_that(compose, approve, settle, resolve):
    held = compose(ttl=60)
    outgoing = approve(held)
    settle(settle_unconfirmed, outgoing, "lost")
    resolve(held, "send_again")

    assert "sent" == settle(settle_sent, outgoing, PROVIDER_ID).status


@pytest.mark.parametrize(
    ("how", "word"), [(settle_sent, PROVIDER_ID), (settle_failed, "late"), (settle_unconfirmed, "late")]
)
def test_an_attempt_that_is_not_the_last_changes_nothing(compose, approve, settle, state, how, word):
    held = compose(ttl=60)
    first = approve(held)
    settle(settle_failed, first, "down")
    second = approve(held)

    settle(how, first, word)

    assert "sending" == state(held).status
    assert ("sent", "0200") == (settle(settle_sent, second, "0200").status, state(held).provider_message_id)


@pytest.mark.parametrize(
    ("how", "word"), [(settle_sent, "0300"), (settle_failed, "late"), (settle_unconfirmed, "late")]
)
def test_what_was_sent_stays_sent(compose, approve, settle, state, how, word):
    held = compose(ttl=60)
    outgoing = approve(held)
    sent = settle(settle_sent, outgoing, "0200")

    settle(how, outgoing, word)

    assert sent == state(held)


def test_the_attempt_of_a_mail_that_went_away_is_settled_as_not_there(store, compose, approve, settle, poll, owner):
    outgoing = approve(compose(ttl=60))
    store.run(lambda tx: delete_agent(tx, owner, poll.address))

    with pytest.raises(MessageNotFound):
        settle(settle_sent, outgoing, PROVIDER_ID)


def test_a_lease_is_longer_than_a_provider_may_take():
    assert timedelta(minutes=2) < LEASE
