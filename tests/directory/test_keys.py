"""API keys: who holds one."""

import pytest

from relay.directory.keys import create_key, find_holder
from relay.signing.keys import KEY_BYTES, new_key
from store.directory.keys import delete_api_key, list_api_keys
from store.errors import KeyNotFound
from store.schema.inbound import api_keys

UNKNOWN = new_key(bytes(KEY_BYTES))


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def made(store, clock, ana):
    return store.run(lambda tx: create_key(tx, ana.id, name="laptop", now=clock.now()))


def test_a_key_leads_to_its_holder(store, ana, made):
    kept, plaintext = made

    assert (ana, kept) == store.run(lambda tx: find_holder(tx, plaintext))


def test_a_key_is_listed_by_its_first_signs(store, ana, made):
    kept, plaintext = made

    assert [kept] == store.run(lambda tx: list_api_keys(tx, ana.id))
    assert (plaintext[:12], "laptop") == (kept.prefix, kept.name)


def test_no_row_holds_the_plaintext(store, made):
    _, plaintext = made

    row = store.run(lambda tx: tx.execute(api_keys.select()).one())

    assert not any(plaintext in str(value) for value in row)


@pytest.mark.parametrize("plaintext", [UNKNOWN, "", "mk_", "mk_\0", "mk_" + "\u00e9" * 49, UNKNOWN[:-1], UNKNOWN + "x"])
def test_what_is_no_key_leads_to_nobody(store, made, plaintext):
    assert store.run(lambda tx: find_holder(tx, plaintext)) is None


def test_a_revoked_key_leads_to_nobody(store, ana, made):
    kept, plaintext = made

    store.run(lambda tx: delete_api_key(tx, ana.id, kept.id))

    assert store.run(lambda tx: find_holder(tx, plaintext)) is None


def test_a_stranger_cannot_revoke_a_key(store, places, made):
    kept, plaintext = made
    eve = store.run(lambda tx: places.user(tx, "eve@evil.example"))

    with pytest.raises(KeyNotFound):
        store.run(lambda tx: delete_api_key(tx, eve.id, kept.id))

    assert store.run(lambda tx: find_holder(tx, plaintext)) is not None
