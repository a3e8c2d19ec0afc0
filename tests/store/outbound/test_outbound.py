from dataclasses import replace
from datetime import timedelta

import pytest

from store.directory.agents import delete_agent
from store.errors import AgentNotFound, InvalidValue, MessageNotFound
from store.mail.conversations import lookup_conversation_id
from store.mail.messages import KEPT_FOR, get_inbound_message
from store.outbound.outbound import (
    MAX_RECIPIENTS,
    MAX_SUBJECT,
    create_outbound_message,
    create_pending_outbound_message,
    get_outbound_message_for_user,
    read_draft,
    resolve_outbound_owner,
)
from store.records.outbound import AttachmentInfo, Draft, OutboundAttachment
from tests.places import new_outbound
from tests.store.database.test_migrate import timed


@pytest.fixture
def owner(poll):
    return poll.user_id


def draft(**changes):
    return replace(Draft(to=("bo@reader.example",), text="hello"), **changes)


# Keeping


def test_a_mail_is_kept_with_everything_that_was_composed(store, poll, clock, owner):
    new = new_outbound(
        poll.address, at=clock.now(), kind="reply", headers=(("X-Ticket", "7"),), email_message_id="1@us"
    )

    kept = store.run(lambda tx: create_outbound_message(tx, new))

    assert new.draft == store.run(lambda tx: read_draft(tx, kept))
    assert kept == store.run(lambda tx: get_outbound_message_for_user(tx, owner, kept.id, now=clock.now()))
    assert (new.id, "queued", "reply", "1@us", 1) == (
        kept.id,
        kept.status,
        kept.kind,
        kept.email_message_id,
        kept.revision,
    )
    assert (("X-Ticket", "7"),) == kept.headers
    assert (AttachmentInfo(number=0, filename="a.pdf", content_type="application/pdf", size=4),) == kept.attachments
    assert (None, clock.now() + KEPT_FOR) == (kept.hold_expires_at, kept.expires_at)


def test_a_held_mail_waits_for_as_long_as_was_said(compose, clock):
    held = compose(ttl=3600)

    assert ("pending_approval", clock.now() + timedelta(hours=1)) == (held.status, held.hold_expires_at)


@pytest.mark.parametrize("ttl", [1, 604_800])
def test_a_hold_lasts_a_second_to_a_week(compose, ttl):
    assert "pending_approval" == compose(ttl=ttl).status


@pytest.mark.parametrize("ttl", [0, -1, 604_801, True, 1.5])
def test_another_hold_is_refused_before_anything_is_kept(store, compose, poll, clock, ttl):
    with pytest.raises(InvalidValue):
        compose(ttl=ttl)

    assert 1 == compose(ttl=5).seq


REFUSED = {
    "nobody": {"to": ()},
    "too many": {"to": tuple(f"{n}@reader.example" for n in range(MAX_RECIPIENTS + 1))},
    "no address": {"to": ("bo",)},
    "two lines": {"to": ("bo@reader.example\r\nBcc: eve@stranger.example",)},
    "a long address": {"cc": ("b" * 320 + "@reader.example",)},
    "a long subject": {"subject": "s" * (MAX_SUBJECT + 1)},
    "a header in the subject": {"subject": "hi\r\nBcc: eve@stranger.example"},
    "NUL": {"text": "a\0b"},
    "half a letter": {"html": "\ud800"},
    "a path of two lines": {
        "attachments": (OutboundAttachment(filename="a\nb", content_type="text/plain", content=b""),)
    },
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_what_no_mail_could_be_is_refused_and_leaves_nothing(store, compose, changes):
    with pytest.raises(InvalidValue):
        compose(ttl=60, draft=draft(**changes))

    assert 1 == compose().seq


def test_a_mail_needs_its_agent(store, clock):
    with pytest.raises(AgentNotFound):
        store.run(lambda tx: create_outbound_message(tx, new_outbound("no@agents.example", at=clock.now())))


def test_a_mail_needs_the_bytes_that_it_names(store, poll, clock):
    new = new_outbound(poll.address, at=clock.now(), raw_sha256="00")

    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=60))


def test_mails_of_both_directions_are_numbered_in_one_line(compose, arrive, poll):
    assert [1, 2, 3] == [compose().seq, arrive(poll).seq, compose(ttl=60).seq]


def test_what_an_agent_wrote_goes_with_it(store, compose, poll, owner):
    compose(ttl=60)

    store.run(lambda tx: delete_agent(tx, owner, poll.address))

    left = store.run(
        lambda tx: [
            tx.execute(timed(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("messages", "outbound", "outbound_attachments")
        ]
    )
    assert [0, 0, 0] == left


# Conversations


def test_an_answer_that_is_written_belongs_to_the_conversation_of_its_parent(compose, arrive, poll):
    asked = arrive(poll, email_message_id="1@sender")

    assert asked.conversation_id == compose(parent_ids=("<1@sender>",)).conversation_id


def test_an_answer_to_what_was_written_finds_it_by_our_id(store, compose, arrive, poll):
    written = compose(email_message_id="1@agents.example")

    assert written.conversation_id == arrive(poll, parent_ids=("1@agents.example",)).conversation_id


def test_who_repeats_our_id_does_not_draw_answers_away(store, compose, arrive, poll):
    written = compose(email_message_id="1@agents.example")
    arrive(poll, email_message_id="1@agents.example")

    found = store.run(lambda tx: lookup_conversation_id(tx, poll.address, ["1@agents.example"]))
    assert written.conversation_id == found


# Whose it is


@pytest.mark.parametrize("ask", [get_outbound_message_for_user])
def test_a_mail_of_another_is_not_found(store, compose, stranger, clock, ask):
    written = compose()

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: ask(tx, stranger.id, written.id, now=clock.now()))


def test_an_inbound_or_missing_message_is_no_outbound_one(store, arrive, poll, owner, clock):
    for message_id in (arrive(poll).id, "msg_404"):
        with pytest.raises(MessageNotFound):
            store.run(
                lambda tx, message_id=message_id: get_outbound_message_for_user(tx, owner, message_id, now=clock.now())
            )
        with pytest.raises(MessageNotFound):
            store.run(lambda tx, message_id=message_id: resolve_outbound_owner(tx, message_id))


def test_an_outbound_message_is_no_inbound_one(store, compose, poll, clock):
    written = compose()

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: get_inbound_message(tx, poll.address, written.id, now=clock.now()))


def test_the_owner_of_a_mail_is_its_agent_s_user(store, compose, owner):
    written = compose()

    assert owner == store.run(lambda tx: resolve_outbound_owner(tx, written.id))


def test_a_mail_whose_time_is_over_is_not_found(store, compose, owner, clock):
    written = compose()
    clock.advance(seconds=KEPT_FOR.total_seconds())

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: get_outbound_message_for_user(tx, owner, written.id, now=clock.now()))
