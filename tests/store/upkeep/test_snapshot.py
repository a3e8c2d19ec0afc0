"""A transaction that sees one state of the database while others write."""

import pytest
from sqlalchemy import text

from store.database.connect import open_store
from store.directory.users import bootstrap_user, list_users
from store.errors import InvalidValue, StoreError, Unavailable
from tests.store.gate import together


@pytest.fixture
def make(store, clock):
    return lambda name, by=store: by.run(lambda tx: bootstrap_user(tx, f"{name}@owner.example", now=clock.now()))


def test_what_is_committed_meanwhile_is_not_seen(store, beside, make):
    ana = make("ana")

    with store.snapshot() as tx:
        before = list_users(tx)
        bo = make("bo", by=beside)
        during = list_users(tx)

    assert [[ana], [ana]] == [before, during]
    assert [ana, bo] == store.run(list_users)


def test_the_store_writes_while_a_snapshot_is_open(store, make):
    with store.snapshot() as tx:
        list_users(tx)
        made = make("ana")

    assert [made] == store.run(list_users)


def test_a_snapshot_keeps_nothing_that_is_written_in_it(store, clock):
    try:
        with store.snapshot() as tx:
            bootstrap_user(tx, "ana@owner.example", now=clock.now())
    except StoreError:  # PostgreSQL says so at once
        pass

    assert [] == store.run(list_users)


def test_what_a_snapshot_used_writes_again_afterwards(store, make):
    for name in ("ana", "bo"):
        with store.snapshot() as tx:
            list_users(tx)
        make(name)

    assert 2 == len(store.run(list_users))


def test_any_thread_may_have_a_snapshot(store, make):
    made = make("ana")

    def look():
        with store.snapshot() as tx:
            return list_users(tx)

    assert [[made]] * 4 == together([look] * 4)


@pytest.mark.parametrize("error", [OSError("the disk of whoever reads is full"), KeyError("x"), InvalidValue("no")])
def test_an_error_of_the_block_passes_as_it_is(store, error):
    with pytest.raises(type(error)) as caught, store.snapshot():
        raise error

    assert error is caught.value


def test_a_statement_that_fails_is_told_as_every_error_of_the_store(store):
    with pytest.raises(Unavailable), store.snapshot() as tx:
        tx.execute(text("SELECT 1 FROM nothing_like_it"))

    with store.snapshot() as tx:
        assert [] == list_users(tx)


def test_a_database_that_is_not_there_is_unavailable(tmp_path):
    lost = open_store(f"sqlite:///{tmp_path}/no/such/folder/mailseal.db")

    with pytest.raises(Unavailable), lost.snapshot() as tx:
        list_users(tx)
