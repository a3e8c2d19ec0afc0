"""A decision is about what somebody looked at: a draft, and the bytes it is."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest
from sqlalchemy import select

from store.directory.hitl import update_agent_hitl
from store.errors import InvalidValue, MessageNotFound, NotPendingApproval, Outdated
from store.mail.bodies import CHUNK_BYTES, keep_body, keep_chunk
from store.outbound.edit import NO_EDIT, PendingApprovalEdit
from store.outbound.holds import MAX_REASON, amend_pending, expire_reject, list_expired_pending, reject_pending
from store.outbound.outbound import attach_wire, read_draft
from store.outbound.sending import LEASE, claim_approved, claim_queued, settle_sent
from store.records.outbound import Version, WireBytes
from store.schema.inbound import bodies, body_chunks
from tests.store.contents import name, parts_of, rows

OTHER = PendingApprovalEdit(text="other")
SHORT, LONG = b"From: poll@agents.example\r\n\r\nhello\r\n", b"x" * (CHUNK_BYTES + 1)


def wire_of(raw):
    return WireBytes(sha256=name(raw), size=len(raw), content=raw if len(raw) <= CHUNK_BYTES else None)


@pytest.fixture
def attach(store, clock):
    """Keeps *raw* as the bytes of a message."""

    def keep(message, raw=SHORT):
        def unit(tx):
            for number, part in enumerate(parts_of(raw) if len(raw) > CHUNK_BYTES else ()):
                keep_chunk(tx, name(raw), number, part, now=clock.now())
            return attach_wire(tx, message.id, wire_of(raw), mail_from=message.mail_from, now=clock.now())

        return store.run(unit)

    return keep


@pytest.fixture
def amend(store, poll, clock):
    return lambda message, edit=OTHER, *, user_id=poll.user_id, **more: store.run(
        lambda tx: amend_pending(tx, user_id, message.id, edit, **more, now=clock.now())
    )


@pytest.fixture
def reject(store, poll, clock):
    return lambda message, **more: store.run(
        lambda tx: reject_pending(tx, poll.user_id, message.id, **more, now=clock.now())
    )


@pytest.fixture
def kept(store):
    """The contents there are, and how many chunks."""
    return lambda: store.run(lambda tx: (sorted(tx.execute(select(bodies.c.sha256)).scalars()), rows(body_chunks)(tx)))


# Changed


def test_an_edit_is_the_next_revision_with_bytes_of_its_own_and_those_before_go(store, compose, attach, amend, kept):
    held = attach(compose(ttl=60))
    changed = b"From: poll@agents.example\r\n\r\nother\r\n"

    amended = amend(held, wire=wire_of(changed))

    assert ("pending_approval", 2, "other", name(changed)) == (
        amended.status,
        amended.revision,
        amended.text,
        amended.digest,
    )
    assert "other" == store.run(lambda tx: read_draft(tx, amended)).text
    assert ([name(changed)], 0) == kept()


@pytest.mark.parametrize("edit", [NO_EDIT, PendingApprovalEdit(text="hello", subject="Grüße")])
def test_an_edit_that_changes_nothing_is_none(compose, attach, amend, state, edit):
    held = attach(compose(ttl=60))

    assert held == amend(held, edit) == state(held)


def test_an_edit_without_bytes_leaves_none_to_be_sent_in_its_place(compose, attach, amend, kept):
    amended = amend(attach(compose(ttl=60)))

    assert (None, None, 0) == (amended.digest, amended.raw_sha256, amended.raw_size)
    assert ([], 0) == kept()


@pytest.mark.parametrize("seen", [Version(2, None), Version(None, "0" * 64), Version(1, "0" * 64)])
def test_nobody_changes_what_they_did_not_see(compose, attach, amend, reject, state, seen):
    held = attach(compose(ttl=60))

    for decide in (amend, reject):
        with pytest.raises(Outdated):
            decide(held, seen=seen)

    assert held == state(held)


def test_what_was_seen_is_what_is_decided_about(compose, attach, amend, reject):
    held = attach(compose(ttl=60))
    amended = amend(held, seen=Version(held.revision, held.digest))

    with pytest.raises(Outdated):
        reject(held, seen=Version(held.revision, held.digest))

    assert "rejected" == reject(held, seen=Version(amended.revision, amended.digest)).status


def test_an_edit_that_no_mail_could_be_changes_nothing(compose, amend, state):
    held = compose(ttl=60)

    with pytest.raises(InvalidValue):
        amend(held, PendingApprovalEdit(to=(), cc=(), bcc=()))

    assert held == state(held)


def test_what_does_not_wait_is_not_changed(store, compose, amend, reject, poll, stranger, clock):
    queued, decided, held = compose(), compose(ttl=60), compose(ttl=60)
    reject(decided)
    store.run(lambda tx: claim_approved(tx, poll.user_id, held.id, lease=LEASE, now=clock.now()))

    for message in (queued, decided, held):
        with pytest.raises(NotPendingApproval):
            amend(message)
    with pytest.raises(MessageNotFound):
        amend(compose(ttl=60), user_id=stranger.id)


def test_a_reason_that_is_too_long_decides_nothing(store, compose, reject, poll, state, clock):
    held, reason = compose(ttl=60), "x" * (MAX_REASON + 1)

    with pytest.raises(InvalidValue):
        reject(held, reason=reason)
    with pytest.raises(InvalidValue):
        store.run(lambda tx: claim_approved(tx, poll.user_id, held.id, reason=reason, lease=LEASE, now=clock.now()))

    assert held == state(held)


# Ended


@pytest.mark.parametrize("raw", [SHORT, LONG], ids=["short", "in chunks"])
def test_the_bytes_of_a_mail_go_when_its_way_has_ended_and_what_they_were_stays_known(
    store, compose, attach, reject, kept, clock, raw
):
    sent, rejected = attach(compose(), raw), attach(compose(ttl=60), raw)
    (outgoing,) = store.run(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=clock.now()))

    done = store.run(lambda tx: settle_sent(tx, outgoing, "0100-1", now=clock.now()))
    assert ((None, name(raw), len(raw)), [name(raw)]) == (
        (done.raw_sha256, done.digest, done.raw_size),
        kept()[0],
    )  # the other mail's still
    ended = reject(rejected)

    assert (None, name(raw), len(raw)) == (ended.raw_sha256, ended.digest, ended.raw_size)
    assert (([], 0), sent.id) == (kept(), done.id)


def test_bytes_that_a_message_of_somebody_else_s_has_stay(store, compose, attach, reject, arrive, other, kept, clock):
    held = attach(compose(ttl=60))
    arrive(other, SHORT)

    reject(held)

    assert ([name(SHORT)], 0) == kept()


def test_a_content_that_comes_again_is_there_again(store, compose, attach, reject, kept, clock):
    reject(attach(compose(ttl=60)))

    store.run(lambda tx: keep_body(tx, name(SHORT), size=len(SHORT), content=SHORT, now=clock.now()))

    assert ([name(SHORT)], 0) == kept()


@pytest.mark.parametrize("reason", ["owner", "sends", "replies", "recipients"])
def test_a_mail_that_a_cap_held_is_never_sent_because_nobody_looked(store, places, compose, clock, reason):
    agent = store.run(lambda tx: approving(tx, places))
    held = compose(agent=agent, ttl=60, hold_reason=reason)
    clock.advance(seconds=60)

    (due,) = store.run(lambda tx: list_expired_pending(tx, limit=9, now=clock.now()))

    assert (held.id, "approve" if reason == "owner" else "reject") == (due.message_id, due.action)
    assert "expired_rejected" == store.run(lambda tx: expire_reject(tx, held.id, now=clock.now())).status


def approving(tx, places):
    """An agent whose holds end as approved."""
    user = places.user(tx)
    address = places.agent(tx, user, "easy@agents.example").address
    given = {"enabled": True, "ttl_seconds": 60, "expiration_action": "approve"}
    update_agent_hitl(tx, user.id, address, **given, now=places.clock.now())
    return address
