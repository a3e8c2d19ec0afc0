import pytest

from store.errors import InvalidValue, KeyNotFound
from store.keys import create_api_key, delete_api_key, get_user_by_api_key, list_api_keys, touch_api_key
from store.users import bootstrap_user
from tests.store.gate import Commits

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
