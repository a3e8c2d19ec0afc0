"""Signing in by a link: once, in its time, as whom it was made for."""

import pytest

from relay.directory.sessions import find_session
from relay.directory.sign_in import PATH, sign_in, sign_in_link
from relay.errors import BadLink
from relay.signing.link import SignInLink, read_sign_in_token
from store.errors import InvalidValue

BASE = "https://relay.example"


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def link(master, clock, ana):
    def make(nonce="n-1"):
        address = sign_in_link(ana.id, base_url=BASE, key=master.links, nonce=nonce, now=clock.now())
        assert address.startswith(BASE + PATH)
        return address.removeprefix(BASE + PATH)

    return make


@pytest.fixture
def enter(store, clock, master):
    def use(token):
        read = read_sign_in_token(token, key=master.links, now=clock.now())
        return store.run(lambda tx: sign_in(tx, read, now=clock.now()))

    return use


def test_a_link_signs_in_whom_it_was_made_for(store, clock, ana, link, enter):
    session, token = enter(link())

    assert (ana, session) == store.run(lambda tx: find_session(tx, token, now=clock.now()))


def test_a_link_signs_in_once(link, enter):
    token = link()
    enter(token)

    with pytest.raises(BadLink):
        enter(token)


def test_another_link_of_the_same_moment_is_another(link, enter):
    enter(link("n-1"))
    enter(link("n-2"))


def test_a_link_is_over_after_a_quarter_of_an_hour(clock, link, enter):
    token, late = link("n-1"), link("n-2")
    clock.advance(minutes=14, seconds=59)
    enter(token)
    clock.advance(seconds=1)

    with pytest.raises(BadLink):
        enter(late)


def test_a_link_of_nobody_signs_nobody_in(store, clock):
    nobody = SignInLink(user_id="usr_nobody", nonce="n", expires_at=clock.now())

    with pytest.raises(InvalidValue):
        store.run(lambda tx: sign_in(tx, nobody, now=clock.now()))
