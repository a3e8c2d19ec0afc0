"""Whom an agent knew before it wrote a mail."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from store.outbound.known_recipients import known_recipients_of
from store.records.outbound import AnsweredMessage, Draft
from store.schema.outbound import known_recipients

DRAFT = Draft(to=("Bo@reader.example", "cy@reader.example"), cc=("di@new.example",), bcc=("ed@other.example",))


@pytest.fixture
def knows(store, poll, clock):
    """Has the agent have written to an address, an hour ago."""

    def keep(address, agent=poll.address, hours=1):
        row = {"agent": agent, "address": address, "first_at": clock.now() - timedelta(hours=hours)}
        store.run(lambda tx: tx.execute(insert(known_recipients), row))

    return keep


@pytest.fixture
def ask(store):
    return lambda message: store.run(lambda tx: known_recipients_of(tx, message))


def test_addresses_and_domains_that_were_never_written_to_are_new(compose, knows, ask, other):
    knows("bo@reader.example")
    knows("x@other.example")
    knows("di@new.example", agent=other.address)

    found = ask(compose(draft=DRAFT))

    assert {"cy@reader.example", "di@new.example", "ed@other.example"} == found.new
    assert {"new.example"} == found.new_domains


def test_what_the_mail_itself_made_known_is_new(compose, knows, ask):
    knows("di@new.example", hours=0)

    assert "new.example" in ask(compose(draft=DRAFT)).new_domains


def test_a_domain_is_not_known_by_one_that_ends_alike(compose, knows, ask):
    knows("x@not-new.example")
    knows("x@sub.new.example")

    assert "new.example" in ask(compose(draft=DRAFT)).new_domains


def test_an_address_that_has_no_plain_form_is_new(compose, ask):
    assert {'"a b"@reader.example'} == ask(compose(draft=Draft(to=('"a b"@reader.example',)))).new


def test_a_reply_tells_whom_it_answers(compose, arrive, poll, ask):
    arrive(poll, email_message_id="1@sender", from_address="ana@asks.example")

    reply = compose(kind="reply", answered=AnsweredMessage(in_reply_to="1@sender"))

    assert "ana@asks.example" == ask(reply).answered


def test_whoever_is_answered_is_no_stranger_and_neither_is_their_domain(compose, arrive, poll, ask):
    arrive(poll, email_message_id="1@sender", from_address="ana@asks.example")
    draft = Draft(to=("Ana@asks.example",), cc=("bo@asks.example", "cy@new.example"))

    found = ask(compose(kind="reply", answered=AnsweredMessage(in_reply_to="1@sender"), draft=draft))

    assert ({"bo@asks.example", "cy@new.example"}, {"new.example"}) == (found.new, found.new_domains)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "reply"},
        {"kind": "reply", "answered": AnsweredMessage(in_reply_to="2@sender")},
        {"kind": "forward"},
    ],
)
def test_what_answers_nothing_that_is_known_tells_nobody(compose, arrive, poll, ask, changes):
    arrive(poll, email_message_id="1@sender")

    assert ask(compose(**changes)).answered is None
