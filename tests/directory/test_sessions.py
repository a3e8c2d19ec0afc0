"""Sessions: who is signed in with a token."""

import pytest

from relay.directory.sessions import create_session, end_session, find_session
from store.schema.inbound import user_sessions


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def made(store, clock, ana):
    return store.run(lambda tx: create_session(tx, ana.id, now=clock.now()))


@pytest.fixture
def look(store, clock):
    return lambda token: store.run(lambda tx: find_session(tx, token, now=clock.now()))


def test_a_token_leads_to_who_is_signed_in(look, ana, made):
    session, token = made

    assert (ana, session) == look(token)


def test_a_token_is_another_each_time_and_has_256_bits(store, clock, ana):
    tokens = {store.run(lambda tx: create_session(tx, ana.id, now=clock.now()))[1] for _ in range(3)}

    assert [43, 43, 43] == [len(token) for token in tokens]


def test_no_row_holds_the_token(store, made):
    _, token = made

    row = store.run(lambda tx: tx.execute(user_sessions.select()).one())

    assert not any(token in str(value) for value in row)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 42 + "\u00e9", "A" * 42 + "\0", "A" * 44, "\ud800"])
def test_what_is_no_token_leads_to_nobody(look, made, token):
    assert look(token) is None


def test_a_token_is_worth_nothing_after_seven_days(look, made, clock):
    clock.advance(days=7)

    assert look(made[1]) is None


@pytest.mark.parametrize("token", ["", "A" * 43, "\u00e9" * 43])
def test_what_is_no_token_signs_nobody_out(store, look, made, token):
    store.run(lambda tx: end_session(tx, token))

    assert look(made[1]) is not None


def test_who_signs_out_is_out(store, look, made):
    store.run(lambda tx: end_session(tx, made[1]))

    assert look(made[1]) is None
