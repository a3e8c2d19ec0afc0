"""Signing in by a link: once, in its time, as whom it was made for."""

import pytest

from relay.directory.sessions import find_session
from relay.directory.sign_in import PATH, sign_in, sign_in_link
from relay.errors import BadLink
from relay.signing.link import SignInLink, read_sign_in_token
from store.directory.sessions import delete_user_sessions
from store.directory.used_links import revoke_link, sign_in_epoch
from store.errors import InvalidValue

BASE = "https://relay.example"


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def link(store, master, clock, ana):
    def make(nonce="n-1"):
        epoch = store.run(lambda tx: sign_in_epoch(tx, ana.id))
        address = sign_in_link(ana.id, epoch=epoch, base_url=BASE, key=master.links, nonce=nonce, now=clock.now())
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


def test_a_sign_in_voids_the_other_open_links_of_the_user(link, enter):
    first, second = link("n-1"), link("n-2")
    enter(first)

    with pytest.raises(BadLink):
        enter(second)


def test_a_link_made_in_the_moment_of_a_sign_in_is_good(link, enter):
    enter(link("n-1"))
    enter(link("n-2"))


def test_a_sign_in_leaves_the_links_of_other_users_alone(store, places, clock, master, link, enter):  # noqa: PLR0917
    bo = store.run(lambda tx: places.user(tx, "bo@owner.example"))
    address = sign_in_link(bo.id, epoch=0, base_url=BASE, key=master.links, nonce="n", now=clock.now())
    enter(link())

    enter(address.removeprefix(BASE + PATH))


def test_signing_out_everywhere_ends_sessions_and_voids_open_links(store, clock, ana, link, enter):
    _, token = enter(link("n-1"))
    waiting = link("n-2")

    assert 1 == store.run(lambda tx: delete_user_sessions(tx, ana.id))
    assert None is store.run(lambda tx: find_session(tx, token, now=clock.now()))
    with pytest.raises(BadLink):
        enter(waiting)


def test_a_revoked_link_signs_in_no_longer(store, clock, master, link, enter):
    token = link()
    read = read_sign_in_token(token, key=master.links, now=clock.now())
    store.run(lambda tx: revoke_link(tx, read.hash, read.user_id, read.expires_at))

    with pytest.raises(BadLink):
        enter(token)


def test_a_link_is_over_after_a_quarter_of_an_hour(clock, link, enter):
    token = link()
    clock.advance(minutes=15)

    with pytest.raises(BadLink):
        enter(token)


def test_a_link_is_good_until_a_quarter_of_an_hour(clock, link, enter):
    token = link()
    clock.advance(minutes=14, seconds=59)

    enter(token)


def test_a_link_of_nobody_signs_nobody_in(store, clock):
    nobody = SignInLink(user_id="usr_nobody", nonce="n", expires_at=clock.now())

    with pytest.raises(InvalidValue):
        store.run(lambda tx: sign_in(tx, nobody, now=clock.now()))
