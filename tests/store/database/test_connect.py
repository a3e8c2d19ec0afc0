import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from store.database.connect import BUSY_SECONDS, open_engine, open_store, sqlite_url
from store.errors import InvalidValue
from tests.store.gate import Gate


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),  # FULL
        ("foreign_keys", 1),
        ("busy_timeout", BUSY_SECONDS * 1000),
    ],
)
async def test_every_connection_to_sqlite_is_told(sqlite_store, pragma, value):
    def unit(tx):
        return tx.connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()

    assert {value} == {await sqlite_store.write(unit), await sqlite_store.read(unit)}


async def test_a_read_on_the_loop_never_waits_for_a_lock(sqlite_store):
    assert 0 == await sqlite_store.read_on_loop(lambda tx: tx.execute(text("PRAGMA busy_timeout")).scalar_one())


async def test_a_writer_of_sqlite_has_the_lock_from_its_beginning(sqlite_store, sqlite_file_url):
    gate = Gate()
    writing = asyncio.ensure_future(sqlite_store.write(gate.unit))
    await gate.is_reached()

    other = sqlite3.connect(make_url(sqlite_file_url).database, timeout=0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()

    gate.open()
    await writing


def test_foreign_keys_hold_on_both_databases(store):
    with pytest.raises(InvalidValue):
        store.run(
            lambda tx: tx.execute(
                text(
                    "INSERT INTO domain_claims (domain, user_id, token, created_at)"
                    " VALUES ('a.example', 'usr_1', 't', '2026-11-23 15:17:00')"
                )
            )
        )


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_psycopg_3(scheme):
    engine = open_engine(f"{scheme}://ana:pw@db.example/mail")

    assert ("postgresql", "psycopg") == (engine.dialect.name, engine.dialect.driver)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite"])
def test_every_spelling_of_sqlite_opens_the_file(scheme, tmp_path):
    store = open_store(f"{scheme}:///{tmp_path}/mailseal.db")

    assert 1 == store.run(lambda tx: tx.execute(text("SELECT 1")).scalar_one())

    store.engine.dispose()
    assert (tmp_path / "mailseal.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mailseal.db",
        "/var/lib/mailseal.db",
        "mysql://ana@db.example/mail",
        "postgresql+asyncpg://ana@db.example/mail",
        "sqlite+aiosqlite:///mailseal.db",
        "postgresql://ana@db.example:port/mail",
        "https://db.example/mail",
    ],
)
def test_what_is_no_url_of_a_database_of_ours_is_refused(url):
    with pytest.raises(InvalidValue):
        open_engine(url)


def test_a_url_that_is_refused_does_not_tell_its_password():
    with pytest.raises(InvalidValue) as caught:
        open_engine("mysql://ana:hunter2@db.example/mail")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["mailseal.db", "with space.db", "ünï.db", "100%.db", "a?b=c#d.db", "%41.db"])
def test_the_url_of_a_file_leads_to_that_very_file(tmp_path, name):
    assert str(tmp_path / name) == make_url(sqlite_url(tmp_path / name)).database


def test_an_odd_file_name_is_the_one_that_is_made(tmp_path):
    path: Path = tmp_path / "a?b=c %41.db"
    engine = open_engine(sqlite_url(path))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    engine.dispose()

    assert path.exists()
