"""Mail that did not go out, or may not have, as its owner is shown it."""

import pytest
from sqlalchemy import update

from store.outbound import failed_mail as trouble
from store.outbound.failed_mail import list_failed_for_user
from store.outbound.outbound import create_outbound_message
from store.schema.inbound import messages
from tests.places import new_outbound


@pytest.fixture
def ana(store, places):
    store.run(places.poll_agent)
    return store.run(places.user)


@pytest.fixture
def write(store, clock, ana):
    """The id of a mail that has come to *status*, a minute after the one before."""

    def make(status, agent="poll@agents.example"):
        clock.advance(minutes=1)

        def unit(tx):
            made = create_outbound_message(tx, new_outbound(agent, at=clock.now()))
            tx.execute(update(messages).where(messages.c.id == made.id).values(status=status))
            return made.id

        return store.run(unit)

    return make


@pytest.fixture
def troubled(store, clock, ana):
    return lambda user_id=None, limit=20: [
        each.id
        for each in store.run(lambda tx: list_failed_for_user(tx, user_id or ana.id, limit=limit, now=clock.now()))
    ]


def test_what_failed_or_is_unconfirmed_is_listed_newest_first(write, troubled):
    failed, _, _, unconfirmed = [write(status) for status in ("failed", "sent", "queued", "unconfirmed")]

    assert [unconfirmed, failed] == troubled()
    assert [unconfirmed] == troubled(limit=1)


def test_another_s_mail_is_not_listed(store, places, write, troubled):
    write("failed")
    eve = store.run(lambda tx: places.user(tx, "eve@stranger.example"))

    assert [] == troubled(eve.id)


def test_mail_that_is_not_kept_any_more_is_not_listed(clock, write, troubled):
    write("failed")
    clock.advance(days=31)

    assert [] == troubled()


def test_of_each_agent_only_the_newest_are_looked_at(monkeypatch, write, troubled):
    monkeypatch.setattr(trouble, "SCAN_LIMIT", 2)
    write("failed")
    second = write("failed")
    write("sent")

    assert [second] == troubled()
