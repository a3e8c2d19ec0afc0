from datetime import timedelta

import pytest

from store.directory.agents import delete_agent
from store.directory.keys import create_api_key, delete_api_key, get_user_by_api_key, list_api_keys, touch_api_key
from store.directory.users import bootstrap_user, get_user_by_id
from store.errors import AgentNotFound, InvalidValue, KeyNotFound
from tests.store.gate import Commits, Gate, run_beside, together, wait_until_blocked
from tests.store.plans import statements

HASH = "0123456789abcdef" * 4


@pytest.fixture
def user(store, clock):
    return store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))


@pytest.fixture
def key(store, user, clock):
    return store.run(
        lambda tx: create_api_key(tx, user.id, key_hash=HASH, prefix="mk_abcdefghi", name="ci", now=clock.now())
    )


def last_used(store, user):
    return store.run(lambda tx: list_api_keys(tx, user.id))[0].last_used_at


def test_a_key_opens_for_its_user(store, user, key):
    assert (user, key) == store.run(lambda tx: get_user_by_api_key(tx, HASH))


def test_a_key_is_told_without_its_hash(store, user, key):
    assert HASH not in repr(store.run(lambda tx: list_api_keys(tx, user.id)))


@pytest.mark.parametrize("key_hash", ["", "ab", HASH.upper(), HASH[:-1], HASH + "0"])
def test_an_unknown_key_opens_for_nobody(store, key, key_hash):
    assert store.run(lambda tx: get_user_by_api_key(tx, key_hash)) is None


def test_a_revoked_key_opens_for_nobody_from_then_on(store, user, key):
    store.run(lambda tx: delete_api_key(tx, user.id, key.id))

    assert store.run(lambda tx: get_user_by_api_key(tx, HASH)) is None


def test_nobody_revokes_the_key_of_another(store, key, clock):
    bo = store.run(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))

    with pytest.raises(KeyNotFound):
        store.run(lambda tx: delete_api_key(tx, bo.id, key.id))

    assert store.run(lambda tx: get_user_by_api_key(tx, HASH)) is not None


def test_a_key_is_revoked_once(store, user, key):
    store.run(lambda tx: delete_api_key(tx, user.id, key.id))

    with pytest.raises(KeyNotFound):
        store.run(lambda tx: delete_api_key(tx, user.id, key.id))


def test_a_hash_is_kept_for_one_key_only(store, user, key, clock):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_api_key(tx, user.id, key_hash=HASH, prefix="mk_", name="", now=clock.now()))


def test_a_key_belongs_to_somebody(store, clock):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_api_key(tx, "usr_404", key_hash=HASH, prefix="mk_", name="", now=clock.now()))


def test_keys_are_listed_oldest_first_and_only_one_s_own(store, user, key, clock):
    bo = store.run(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))
    clock.advance(seconds=1)
    store.run(lambda tx: create_api_key(tx, bo.id, key_hash="bb", prefix="mk_", name="bo", now=clock.now()))
    store.run(lambda tx: create_api_key(tx, user.id, key_hash="cc", prefix="mk_", name="later", now=clock.now()))

    assert ["ci", "later"] == [found.name for found in store.run(lambda tx: list_api_keys(tx, user.id))]


def test_the_first_use_of_a_key_is_remembered(store, user, key, clock):
    clock.advance(seconds=3)
    store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))

    assert clock.now() == last_used(store, user)


def test_uses_within_a_minute_write_nothing(store, user, key, clock):
    first = clock.now()
    changed = []
    for seconds in (0, 1, 58):
        clock.advance(seconds=seconds)
        store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))
        changed.append(last_used(store, user))

    assert [first] * 3 == changed


def test_a_use_after_a_minute_is_remembered(store, user, key, clock):
    store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))
    clock.advance(minutes=1)
    store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))

    assert clock.now() == last_used(store, user)


def test_a_use_is_never_remembered_backwards(store, user, key, clock):
    clock.advance(minutes=5)
    used = clock.now()
    store.run(lambda tx: touch_api_key(tx, key.id, now=used))
    clock.advance(minutes=-4)
    store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))

    assert used == last_used(store, user)


def test_using_a_key_that_was_revoked_meanwhile_is_no_error(store, user, key, clock):
    store.run(lambda tx: delete_api_key(tx, user.id, key.id))
    commits = Commits(store.engine)

    store.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))

    assert 1 == commits.count


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_processes_that_see_one_use_at_once_one_writes_it(store, beside, user, key, clock):
    first_use, second_use = clock.now(), clock.now() + timedelta(seconds=1)
    gate = Gate(lambda tx: touch_api_key(tx, key.id, now=first_use))
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, lambda tx: touch_api_key(tx, key.id, now=second_use))
    wait_until_blocked(store.engine)
    gate.open()
    first.result()
    second.result()

    assert first_use == last_used(store, user)


def test_several_processes_write_a_use_once_a_minute_together(store, beside, user, key, clock):
    def use(by):
        return lambda: by.run(lambda tx: touch_api_key(tx, key.id, now=clock.now()))

    changed = []
    for seconds in (0, 30, 29, 1, 30):
        clock.advance(seconds=seconds)
        together([use(by) for by in (store, beside) * 2])
        changed.append(last_used(beside, user) == clock.now())

    assert [True, False, False, True, False] == changed


# Restricted ones


@pytest.fixture
def make(store, user, clock):
    """Has a key made, of the user unless another is named."""

    def create(owner=user, name="ci", **more):
        now = clock.now()
        return store.run(
            lambda tx: create_api_key(tx, owner.id, key_hash=HASH, prefix="mk_abcdefghi", name=name, now=now, **more)
        )

    return create


def test_a_key_may_do_everything_for_every_agent_unless_something_is_said(key):
    assert (None, ("read", "work", "send", "admin")) == (key.agent, key.scopes)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["read"], ("read",)),
        (["admin", "send"], ("send", "admin")),
        ({"send", "read"}, ("read", "send")),
        (("read", "read"), ("read",)),
        (["admin", "send", "read"], ("read", "send", "admin")),
    ],
)
def test_scopes_are_kept_each_once_and_in_one_order(store, user, make, asked, kept):
    made = make(scopes=asked)

    assert kept == made.scopes
    assert (user, made) == store.run(lambda tx: get_user_by_api_key(tx, HASH))


@pytest.mark.parametrize("scopes", [[], (), "", "read", ["root"], ["read", "root"], ["Read"], ["read,send"]])
def test_what_are_no_scopes_make_no_key(store, user, make, scopes):
    with pytest.raises(InvalidValue):
        make(scopes=scopes)

    assert [] == store.run(lambda tx: list_api_keys(tx, user.id))


@pytest.mark.parametrize("name", ["n" * 201, "a\nb", "a\0b", "\x1b[31m", "\ud800"])
def test_what_is_no_name_makes_no_key(store, user, make, name):
    with pytest.raises(InvalidValue):
        make(name=name)

    assert [] == store.run(lambda tx: list_api_keys(tx, user.id))


def test_a_name_of_two_hundred_signs_is_kept(make):
    assert "\u00fc" * 200 == make(name="\u00fc" * 200).name


def test_a_key_may_be_for_one_agent(store, poll, make):
    owner = store.run(lambda tx: get_user_by_id(tx, poll.user_id))

    made = make(owner, agent=poll.address.upper(), scopes=["read"])

    assert poll.address == made.agent
    assert (owner, made) == store.run(lambda tx: get_user_by_api_key(tx, HASH))
    assert [made] == store.run(lambda tx: list_api_keys(tx, owner.id))


@pytest.mark.parametrize("agent", ["poll@agents.example", "nobody@agents.example", "postmaster"])
def test_a_key_is_for_no_agent_of_another(store, places, poll, make, agent):
    stranger = store.run(lambda tx: places.user(tx, "eve@evil.example"))

    with pytest.raises(AgentNotFound):
        make(stranger, agent=agent)

    assert [] == store.run(lambda tx: list_api_keys(tx, stranger.id))


def test_what_is_no_address_makes_no_key(make):
    with pytest.raises(InvalidValue):
        make(agent="no address")


def test_a_key_for_one_agent_goes_with_it(store, places, poll, other, make):
    owner = store.run(lambda tx: get_user_by_id(tx, poll.user_id))
    make(owner, agent=poll.address)

    store.run(lambda tx: delete_agent(tx, owner.id, other.address))
    assert store.run(lambda tx: get_user_by_api_key(tx, HASH)) is not None
    store.run(lambda tx: delete_agent(tx, owner.id, poll.address))
    assert store.run(lambda tx: get_user_by_api_key(tx, HASH)) is None


def test_the_holder_of_a_key_is_found_by_one_question(store, user, key):
    with statements(store.engine) as asked:
        store.run(lambda tx: get_user_by_api_key(tx, HASH))

    assert 1 == len([text for text, _ in asked if not text.startswith("BEGIN")])
