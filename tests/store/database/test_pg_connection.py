"""Limits of PostgreSQL connections: for waits of this process, and for locks that a frozen process holds."""

import time

import psycopg
import pytest
from sqlalchemy import text

from store.database.connect import open_engine, open_store
from store.database.pg_connection import connect
from store.database.pg_limits import HAS_TRANSACTION_LIMIT, LOCK_SHARE
from store.errors import Unavailable
from tests.store.gate import in_one_group

ANSWER_SECONDS = 3.0
READ_LIMITS = (
    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


@pytest.fixture
def engine(postgres_url):
    made = open_engine(postgres_url, answer_seconds=ANSWER_SECONDS)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS notes (name text PRIMARY KEY, at integer)")
        connection.exec_driver_sql("INSERT INTO notes VALUES ('locked', 0), ('free', 0)")
    yield made
    made.dispose()


def change(name):
    return lambda tx: tx.execute(text("UPDATE notes SET at = at + 1 WHERE name = :name"), {"name": name}).rowcount


def test_a_transaction_whose_process_is_silent_loses_its_locks(engine):
    with engine.connect() as silent, engine.begin() as other:
        silent.exec_driver_sql("UPDATE notes SET at = 1 WHERE name = 'locked'")
        other.exec_driver_sql("SET LOCAL lock_timeout = 0")
        assert 1 == other.exec_driver_sql("UPDATE notes SET at = 2 WHERE name = 'locked'").rowcount
        with pytest.raises(Exception, match=r"connection"):
            silent.exec_driver_sql("SELECT 1")
        silent.invalidate()


def test_a_transaction_that_is_cut_off_within_a_pipeline_loses_its_locks(postgres_url, engine):
    with connect({"conninfo": postgres_url}, answer_seconds=1.0) as silent, engine.begin() as other:
        if silent.info.server_version < HAS_TRANSACTION_LIMIT:
            pytest.skip("this release of PostgreSQL has no limit for a whole transaction")
        silent.execute("UPDATE notes SET at = 1 WHERE name = 'locked'")
        silent.pgconn.enter_pipeline_mode()
        silent.pgconn.send_flush_request()  # to the server more commands follow, so its time for idle ones ends
        silent.pgconn.flush()
        other.exec_driver_sql("SET LOCAL lock_timeout = 0")
        assert 1 == other.exec_driver_sql("UPDATE notes SET at = 2 WHERE name = 'locked'").rowcount
        silent.close()


def test_a_snapshot_may_wait_for_its_client(postgres_url, engine):
    store = open_store(postgres_url, answer_seconds=ANSWER_SECONDS)
    with store.snapshot() as tx:
        tx.execute(text("SELECT 1"))
        time.sleep(1.5 * LOCK_SHARE * ANSWER_SECONDS)  # longer than a transaction that writes may be silent
        assert 1 == tx.execute(text("SELECT 1")).scalar_one()
    store.engine.dispose()


@pytest.mark.parametrize(("seconds", "limits"), [(1.0, ("1s", "300ms", "300ms")), (None, ("0", "0", "0"))])
def test_a_connection_has_the_limits_of_its_setting(postgres_url, seconds, limits):
    with connect({"conninfo": postgres_url}, answer_seconds=seconds) as connection:
        assert limits == connection.execute(READ_LIMITS).fetchone()


async def test_units_that_wait_for_one_lock_hold_up_the_others_of_their_group_no_longer_than_one_alone(
    postgres_url, engine
):
    store = open_store(postgres_url, answer_seconds=ANSWER_SECONDS)
    store.start()
    with psycopg.connect(postgres_url) as holder:
        holder.execute("UPDATE notes SET at = 1 WHERE name = 'locked'")
        (alone,), one = await _timed(store, ["locked"])
        (*blocked, free), many = await _timed(store, ["locked"] * 20 + ["free"])
        holder.rollback()
    await store.stop()

    assert isinstance(alone, Unavailable)
    assert {Unavailable} == {type(each) for each in blocked}
    assert 1 == free
    assert many < 6 * one  # one after the other they would take twenty times as long


async def _timed(store, names):
    start = time.monotonic()
    return await in_one_group(store.write, *(change(name) for name in names)), time.monotonic() - start
