"""Links that count once, and how they are forgotten."""

from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from store.directory.used_links import delete_used_links, use_link
from store.errors import InvalidValue
from store.schema.outbound import used_links
from tests.store.gate import together

HASHES = [sha256(str(n).encode()).hexdigest() for n in range(5)]


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def use(store, clock, ana):
    return lambda link=HASHES[0], who=None: store.run(
        lambda tx: use_link(tx, link, who or ana.id, clock.now() + timedelta(minutes=15))
    )


def test_a_link_is_used_once(use):
    assert [True, False, False] == [use(), use(), use()]
    assert use(HASHES[1])


def test_a_link_of_nobody_is_refused(use):
    with pytest.raises(InvalidValue):
        use(who="usr_nobody")


def test_what_is_no_hash_is_refused(use):
    with pytest.raises(InvalidValue):
        use("x")


def test_links_that_are_over_are_forgotten_a_batch_at_a_time(store, clock, use):
    for link in HASHES:
        use(link)
        clock.advance(minutes=1)
    clock.advance(minutes=12)  # the first three are over

    gone = [store.run(lambda tx: delete_used_links(tx, now=clock.now(), limit=2)) for _ in range(3)]

    assert [2, 1, 0] == gone
    assert set(HASHES[3:]) == set(store.run(lambda tx: tx.execute(select(used_links.c.hash)).scalars().all()))


def test_of_many_who_use_a_link_at_once_one_does(use):
    assert [False, False, False, True] == sorted(together([use] * 4))
