"""Letters that came back are found by their sender's nonce or their link, and listed for the operator and their user."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from store.outbound.letters_queue import enqueue_sign_in
from store.outbound.returned_letters import (
    MAX_BOUNCE,
    letter_of_link,
    letter_of_nonce,
    link_of_letter,
    list_bounced_letters,
    record_bounce,
)
from store.schema.outbound import notifications

DAY = timedelta(days=1)


@pytest.fixture
def letter(store, clock):
    """Enqueues a sign-in letter with a nonce and a link; its id."""

    def enqueue(user, name):
        store.run(lambda tx: enqueue_sign_in(tx, user.id, now=clock.now()))
        fresh = notifications.c.nonce_hash.is_(None)
        known = update(notifications).where(fresh).values(nonce_hash=f"nonce {name}", link_hash=f"link {name}")
        store.run(lambda tx: tx.execute(known))
        return store.run(lambda tx: letter_of_nonce(tx, f"nonce {name}"))

    return enqueue


def test_a_letter_is_found_by_its_nonce_and_by_its_link_and_by_no_other(store, ana, letter):
    found = letter(ana, "a")

    assert found is not None
    assert found == store.run(lambda tx: letter_of_link(tx, "link a"))
    assert ("link a", ana.id) == store.run(lambda tx: link_of_letter(tx, found))
    assert [None, None, None] == [
        store.run(lambda tx: letter_of_nonce(tx, "link a")),
        store.run(lambda tx: letter_of_link(tx, "nonce a")),
        store.run(lambda tx: link_of_letter(tx, "ltr_404")),
    ]


def test_a_bounce_is_recorded_once_and_listed_newest_first_for_all_and_for_its_user(store, ana, bo, letter, clock):
    start = clock.now()
    ids = []
    for user, name in ((ana, "a"), (bo, "b")):
        ids.append(letter(user, name))
        clock.advance(minutes=1)
        said = f"full {name} " + "x" * MAX_BOUNCE
        assert store.run(lambda tx, said=said: record_bounce(tx, ids[-1], said, now=clock.now()))
        assert not store.run(lambda tx: record_bounce(tx, ids[-1], "again", now=clock.now()))

    listed = store.run(lambda tx: list_bounced_letters(tx, since=start))
    assert [(ids[1], bo.email, "sign_in"), (ids[0], ana.email, "sign_in")] == [
        (each.id, each.email, each.kind) for each in listed
    ]
    assert {MAX_BOUNCE} == {len(each.bounce) for each in listed}
    assert [ids[0]] == [each.id for each in store.run(lambda tx: list_bounced_letters(tx, since=start, user_id=ana.id))]
    assert [ids[1]] == [each.id for each in store.run(lambda tx: list_bounced_letters(tx, since=start, limit=1))]
    assert [] == store.run(lambda tx: list_bounced_letters(tx, since=clock.now()))
