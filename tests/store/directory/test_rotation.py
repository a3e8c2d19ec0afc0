"""Signing secrets that take each other's place, and agents a page at a time."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest

from relay.directory.agents import make_secret
from store.directory.agents import (
    MAX_SECRETS,
    ROTATION,
    list_secrets,
    lookup_recipient,
    page_agents_by_user,
    rotate_secret,
)
from store.errors import AgentNotFound, InvalidValue
from tests.store.gate import Gate, run_beside, together, wait_until_blocked


@pytest.fixture
def fresh(master, clock):
    return lambda agent: make_secret(agent.address, master=master, now=clock.now())


@pytest.fixture
def rotate(store, fresh):
    def turn(agent, *, by=store):
        secret = fresh(agent)
        by.run(lambda tx: rotate_secret(tx, agent.user_id, secret))
        return secret.key_id

    return turn


@pytest.fixture
def valid(store, clock):
    def look(agent):
        found = store.run(lambda tx: list_secrets(tx, agent.address, now=clock.now()))
        return [(secret.key_id, secret.expires_at) for secret in found]

    return look


def test_a_rotated_secret_comes_first_and_the_one_before_has_a_day(poll, rotate, valid, clock):
    ((old, _),) = valid(poll)
    clock.advance(hours=1)

    new = rotate(poll)

    assert [(new, None), (old, clock.now() + ROTATION)] == valid(poll)


def test_three_secrets_are_valid_at_once_and_the_oldest_ends_for_a_fourth(poll, rotate, valid, clock):
    made = [valid(poll)[0][0]]
    for _ in range(5):
        clock.advance(minutes=1)
        made.append(rotate(poll))
        assert made[: -MAX_SECRETS - 1 : -1] == [key_id for key_id, _ in valid(poll)]
    assert 3 == MAX_SECRETS


def test_the_one_that_signs_comes_first_among_those_of_one_moment(store, poll, rotate, valid):
    for _ in range(6):
        new = rotate(poll)
        assert (new, None) == valid(poll)[0]
        assert new == store.run(lambda tx: lookup_recipient(tx, [poll.address])).key_id


def test_a_day_after_the_last_rotation_one_is_left(poll, rotate, valid, clock):
    for _ in range(3):
        new = rotate(poll)
    clock.advance(days=1)

    assert [(new, None)] == valid(poll)


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_nobody_rotates_the_secret_of_another_s_agent(store, poll, fresh, valid, stranger, who):
    before = valid(poll)
    user_id = stranger.id if who == "stranger" else "usr_404"

    with pytest.raises(AgentNotFound):
        store.run(lambda tx: rotate_secret(tx, user_id, fresh(poll)))

    assert before == valid(poll)


def test_the_secrets_of_another_agent_stay(poll, other, rotate, valid):
    before = valid(other)

    for _ in range(4):
        rotate(poll)

    assert before == valid(other)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_rotations_at_once_one_secret_signs(store, beside, poll, fresh, valid, clock):
    first, second = fresh(poll), fresh(poll)
    gate = Gate(lambda tx: rotate_secret(tx, poll.user_id, first))
    holder = run_beside(store, gate.unit)
    gate.reached()
    late = run_beside(beside, lambda tx: rotate_secret(tx, poll.user_id, second))
    wait_until_blocked(store.engine)
    gate.open()
    holder.result()
    late.result()

    assert [(second.key_id, None), (first.key_id, clock.now() + ROTATION)] == valid(poll)[:2]


def test_of_many_rotations_at_once_one_secret_signs(store, beside, poll, rotate, valid):
    made = together([lambda by=by: rotate(poll, by=by) for by in [store, beside] * 4])

    found = valid(poll)
    assert (MAX_SECRETS, [None]) == (len(found), [end for _, end in found if end is None])
    assert {key_id for key_id, _ in found} < set(made)


# Pages


def test_agents_come_by_address_a_page_at_a_time(store, places, stranger, poll):
    def unit(tx):
        user = places.user(tx)
        places.domain(tx, stranger, "else.example")
        places.agent(tx, stranger, "m@else.example")
        return [places.agent(tx, user, f"{local}@agents.example").address for local in ("*", "a/b", "zo\u00eb", "a")]

    expected = sorted([*store.run(unit), poll.address, "postmaster@agents.example"])
    found, cursor, sizes = [], None, []

    while cursor is not None or not sizes:
        page = store.run(lambda tx, at=cursor: page_agents_by_user(tx, poll.user_id, limit=4, cursor=at))
        found += [agent.address for agent in page.items]
        sizes.append(len(page.items))
        cursor = page.next_cursor

    assert (expected, [4, 2]) == (sorted(found), sizes)


@pytest.mark.parametrize("cursor", ["", "nonsense", "a@b@c", "a b@agents.example", "a\x00@agents.example"])
def test_what_is_no_cursor_of_the_list_is_refused(store, poll, cursor):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: page_agents_by_user(tx, poll.user_id, limit=1, cursor=cursor))
