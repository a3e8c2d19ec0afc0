from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from store.directory.sessions import (
    create_user_session,
    delete_expired_user_sessions,
    delete_user_session,
    delete_user_sessions,
    get_user_session,
    list_user_sessions,
)
from store.directory.users import bootstrap_user
from store.errors import InvalidValue
from store.schema.inbound import user_sessions
from tests.store.gate import Gate, run_beside

HASH = "0123456789abcdef" * 4


def hashes(count):
    return [sha256(str(n).encode()).hexdigest() for n in range(count)]


@pytest.fixture
def ana(store, clock):
    return store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))


@pytest.fixture
def sign_in(store, ana, clock):
    return lambda token_hash=HASH: store.run(
        lambda tx: create_user_session(tx, ana.id, token_hash=token_hash, now=clock.now())
    )


@pytest.fixture
def look(store, clock):
    return lambda token_hash=HASH: store.run(lambda tx: get_user_session(tx, token_hash, now=clock.now()))


@pytest.fixture
def clear(store, clock):
    return lambda **more: store.run(lambda tx: delete_expired_user_sessions(tx, now=clock.now(), **more))


def kept(tx):
    return tx.execute(select(func.count()).select_from(user_sessions)).scalar_one()


def test_a_session_leads_to_its_user_for_seven_days(sign_in, look, ana, clock):
    made = sign_in()
    assert (ana.id, clock.now(), clock.now() + timedelta(days=7)) == (made.user_id, made.created_at, made.expires_at)

    clock.advance(days=7, seconds=-1)
    assert (ana, made) == look()
    clock.advance(seconds=1)
    assert look() is None


@pytest.mark.parametrize("token_hash", ["", "ab", HASH.upper(), HASH[:-1], HASH + "0"])
def test_an_unknown_token_leads_to_nobody(sign_in, look, token_hash):
    sign_in()

    assert look(token_hash) is None


def test_a_user_may_be_signed_in_twice(sign_in, look, ana):
    first, second = hashes(2)
    sign_in(first)
    sign_in(second)

    assert [ana, ana] == [look(first)[0], look(second)[0]]


def test_who_signs_out_is_out_at_once_and_only_there(store, sign_in, look):
    first, second = hashes(2)
    sign_in(first)
    sign_in(second)

    for _ in range(2):  # the second time is no error
        store.run(lambda tx: delete_user_session(tx, first))

    assert look(first) is None
    assert look(second) is not None


@pytest.mark.parametrize("token_hash", ["", "ab", HASH + "0"])
def test_a_session_is_known_by_a_hash(store, sign_in, token_hash):
    with pytest.raises(InvalidValue):
        sign_in(token_hash)

    assert 0 == store.run(kept)


def test_a_session_belongs_to_somebody(store, clock):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_user_session(tx, "usr_404", token_hash=HASH, now=clock.now()))


def test_a_hash_is_one_session(sign_in):
    sign_in()

    with pytest.raises(InvalidValue):
        sign_in()


# Clearing


def test_only_sessions_that_are_over_are_removed(store, sign_in, look, clear, clock):
    old, new = hashes(2)
    sign_in(old)
    clock.advance(days=1)
    sign_in(new)
    clock.advance(days=6)

    assert (1, 1) == (clear(), store.run(kept))
    assert look(new) is not None
    assert 0 == clear()


def test_sessions_are_removed_a_batch_at_a_time_and_those_over_longest_first(store, sign_in, clear, clock):
    for token_hash in hashes(5):
        sign_in(token_hash)
        clock.advance(seconds=1)
    clock.advance(days=8)

    assert 2 == clear(limit=2)
    left = store.run(lambda tx: tx.execute(select(user_sessions.c.token_hash)).scalars().all())
    assert set(hashes(5)[2:]) == set(left)
    assert [2, 1, 0] == [clear(limit=2) for _ in range(3)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_that_clear_at_once_do_not_wait_for_each_other(store, beside, sign_in, clock):
    for token_hash in hashes(5):
        sign_in(token_hash)
    clock.advance(days=8)
    gate = Gate(lambda tx: delete_expired_user_sessions(tx, now=clock.now(), limit=3))
    first = run_beside(store, gate.unit)
    gate.reached()

    second = beside.run(lambda tx: delete_expired_user_sessions(tx, now=clock.now(), limit=3))
    gate.open()

    assert (3, 2) == (first.result(), second)


def test_the_sessions_of_a_user_are_listed_newest_first_and_all_ended(store, places, clock):
    ana, bo = (store.run(lambda tx, at=email: places.user(tx, at)) for email in ("ana@owner.example", "bo@o.example"))
    for number, user in enumerate((ana, bo, ana)):
        token_hash = f"{number}" * 64
        store.run(lambda tx, to=user.id, at=token_hash: create_user_session(tx, to, token_hash=at, now=clock.now()))
        clock.advance(minutes=1)

    listed = store.run(lambda tx: list_user_sessions(tx, ana.id, now=clock.now()))

    assert [2, 0] == [(each.created_at - ana.created_at).seconds // 60 for each in listed]
    assert 2 == store.run(lambda tx: delete_user_sessions(tx, ana.id))
    assert (0, 1) == tuple(
        len(store.run(lambda tx, of=user.id: list_user_sessions(tx, of, now=clock.now()))) for user in (ana, bo)
    )
