# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import re
from datetime import date, timedelta

import pytest

from store.directory.agents import delete_agent
from store.directory.sending_pause import pause_sending, resume_sending
from store.errors import (
    InvalidValue,
    MessageNotFound,
    NotPendingApproval,
    NotUnconfirmed,
    Outdated,
    SendingPaused,
)
from store.mail.usage import list_usage
from store.outbound.edit import NO_EDIT, PendingApprovalEdit
from store.outbound.outbound import attach_wire, read_draft
from store.outbound.send_limits import find_new_recipients
from store.outbound.sending import (
    EXPIRY_RETRIES,
    LEASE,
    MAX_ERROR,
    claim_approved,
    claim_expired,
    claim_queued,
    list_send_attempts,
    next_to_send_at,
    settle_deferred,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.unconfirmed import resolve_unconfirmed, sweep_unconfirmed
from store.records.outbound import OutboundAttachment, Version, WireBytes
from tests.store.contents import name
from tests.store.gate import together
from tests.store.plans import statements

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


@pytest.mark.parametrize("has_bytes", [True, False])
def test_the_files_of_a_mail_are_read_where_it_is_to_be_composed(store, compose, take, clock, has_bytes):
    kept = compose()
    if has_bytes:
        wire = WireBytes(sha256=name(b"the mail"), size=8, content=b"the mail")
        store.run(lambda tx: attach_wire(tx, kept.id, wire, mail_from=kept.agent, now=clock.now()))

    with statements(store.engine) as asked:
        [outgoing] = take()

    assert (has_bytes, has_bytes) == (
        outgoing.draft is None,
        not any(re.search(r"\bcontent\b", text) for text, _ in asked),
    )


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


# The queue


@pytest.fixture
def take(store, clock):
    """Claims what is due in the queue."""
    return lambda limit=10: store.run(lambda tx: claim_queued(tx, limit=limit, lease=LEASE, now=clock.now()))


def test_the_queue_is_taken_the_longest_waiting_first_and_so_many_at_once(compose, take, clock):
    waiting = []
    for _ in range(3):
        waiting.append(compose().id)
        clock.advance(seconds=1)
    compose(ttl=60)

    taken = [[one.message.id for one in take(2)] for _ in range(3)]

    assert [waiting[:2], waiting[2:], []] == taken


def test_who_takes_from_the_queue_has_all_that_it_needs(store, compose, take, state, attempts, clock):
    queued = compose()

    (outgoing,) = take()

    assert ("queue", 1, clock.now() + LEASE) == (outgoing.origin, outgoing.tries, outgoing.until)
    assert (state(queued), store.run(lambda tx: read_draft(tx, queued))) == (outgoing.message, outgoing.draft)
    assert [(outgoing.attempt, "queue", "sending")] == [
        (each.id, each.origin, each.outcome) for each in attempts(queued)
    ]


def test_what_is_taken_from_the_queue_is_in_doubt_when_its_lease_is_over(compose, take, sweep, state, clock):
    queued = compose()
    take()
    clock.advance(seconds=LEASE.total_seconds())

    assert [queued.id] == sweep()
    assert ([], "unconfirmed") == (take(), state(queued).status)


def test_while_sending_is_paused_the_queue_waits(store, compose, take, state, clock):
    queued = compose()
    store.run(lambda tx: pause_sending(tx, now=clock.now()))
    assert ([], "queued") == (take(), state(queued).status)

    store.run(resume_sending)

    assert [queued.id] == [one.message.id for one in take()]


def test_two_workers_never_take_the_same_mail(store, beside, compose, clock):
    waiting = {compose().id for _ in range(6)}

    def take_all(by):
        found = []
        while some := by.run(lambda tx: claim_queued(tx, limit=2, lease=LEASE, now=clock.now())):
            found += [one.message.id for one in some]
        return found

    first, second = together([lambda by=by: take_all(by) for by in (store, beside)])

    assert (6, waiting) == (len(first) + len(second), {*first, *second})


def test_a_mail_that_is_put_off_is_due_when_that_was_said_and_its_tries_are_counted(
    store, compose, take, state, attempts, clock
):
    queued = compose()
    (outgoing,) = take()
    until = clock.now() + timedelta(minutes=1)

    store.run(lambda tx: settle_deferred(tx, outgoing, "throttled", until=until, now=clock.now()))

    assert ("queued", "throttled") == (state(queued).status, state(queued).error)
    assert ["failed"] == [each.outcome for each in attempts(queued)]
    assert until == store.run(next_to_send_at)
    clock.advance(seconds=59)
    assert [] == take()
    clock.advance(seconds=1)
    assert [2] == [one.tries for one in take()]


def test_nothing_is_due_where_nothing_is_queued(store, compose):
    compose(ttl=60)

    assert store.run(next_to_send_at) is None


def test_a_queued_mail_that_is_refused_has_failed_and_keeps_its_content(store, compose, take, settle, state, owner):
    queued = compose()
    (outgoing,) = take()

    failed = settle(settle_failed, outgoing, "550 no")

    assert ("failed", "550 no", queued.text, queued.attachments) == (
        failed.status,
        failed.error,
        failed.text,
        failed.attachments,
    )
    day = date(2026, 11, 23)
    (told,) = store.run(lambda tx: list_usage(tx, owner, first=day, last=day))
    assert {"failed": 1} == {kind: amount.count for kind, amount in told.kinds.items()}


def test_one_that_failed_is_put_off_by_no_late_answer(store, compose, take, settle, state, clock):
    queued = compose()
    (outgoing,) = take()
    settle(settle_failed, outgoing, "550 no")

    store.run(lambda tx: settle_deferred(tx, outgoing, "late", until=clock.now(), now=clock.now()))

    assert ("failed", "550 no") == (state(queued).status, state(queued).error)


# With it


def test_what_belongs_to_sending_is_done_once_and_sees_the_content(store, compose, take, clock):
    compose()
    (outgoing,) = take()
    seen = []

    for _ in range(2):
        store.run(
            lambda tx: settle_sent(tx, outgoing, "0100-1", now=clock.now(), on_sent=lambda _tx, m: seen.append(m.text))
        )

    assert ["hello"] == seen


def test_what_fails_with_it_leaves_the_mail_as_it_was(store, compose, take, state, attempts, clock):
    queued = compose()
    (outgoing,) = take()

    def fail(tx, message):
        raise MessageNotFound

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: settle_sent(tx, outgoing, "0100-1", now=clock.now(), on_sent=fail))

    assert ("sending", queued.text) == (state(queued).status, state(queued).text)
    assert ["sending"] == [each.outcome for each in attempts(queued)]


def test_whom_it_went_to_is_known_from_then_on(store, compose, take, settle, poll):
    written = compose()
    everybody = (*written.to, *written.cc, *written.bcc, "new@reader.example")

    settle(settle_sent, take()[0], "0100-1")

    assert ["new@reader.example"] == store.run(lambda tx: find_new_recipients(tx, poll.address, everybody))


# What was seen


def test_an_approval_of_something_else_than_is_there_changes_nothing(store, compose, owner, state, clock):
    held = compose(ttl=60)

    for seen in (Version(2, None), Version(None, "0" * 64)):
        with pytest.raises(Outdated):
            store.run(lambda tx, seen=seen: claim_approved(tx, owner, held.id, seen=seen, lease=LEASE, now=clock.now()))

    assert held == state(held)


def test_what_the_approver_said_is_kept_and_forgotten_when_it_comes_back(store, compose, owner, settle, state, clock):
    held = compose(ttl=60)
    outgoing = store.run(lambda tx: claim_approved(tx, owner, held.id, reason="Go ahead", lease=LEASE, now=clock.now()))
    assert "Go ahead" == state(held).reason

    assert settle(settle_failed, outgoing, "down").reason is None


def test_an_edit_is_sent_as_the_bytes_it_was_composed_to(store, compose, owner, clock):
    held = compose(ttl=60)
    raw = b"From: poll@agents.example\r\n\r\nother\r\n"
    wire = WireBytes(sha256=name(raw), size=len(raw), content=raw)
    edit = PendingApprovalEdit(text="other")

    outgoing = store.run(
        lambda tx: claim_approved(tx, owner, held.id, edit=edit, wire=wire, lease=LEASE, now=clock.now())
    )

    assert (2, name(raw), name(raw), len(raw)) == (
        outgoing.message.revision,
        outgoing.message.digest,
        outgoing.message.raw_sha256,
        outgoing.message.raw_size,
    )


@pytest.mark.parametrize("claim", ["approval", "expiry"])
def test_nobody_sends_a_held_mail_while_sending_is_paused(store, compose, approve, expire, state, clock, claim):
    held = compose(ttl=60)
    clock.advance(seconds=60)
    store.run(lambda tx: pause_sending(tx, now=clock.now()))

    with pytest.raises(SendingPaused):
        (approve if claim == "approval" else expire)(held)

    assert "pending_approval" == state(held).status
