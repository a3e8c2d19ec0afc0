"""Databases that are locked, full, broken, cut off or gone, and the same ones when they are back."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import event, make_url, text

from store.database.connect import open_store
from store.engine import Store
from store.errors import Unavailable
from tests.store.gate import in_one_group
from tests.store.notes import ADD, make_notes, note, noted

CUT_MYSELF_OFF = text("SELECT pg_terminate_backend(pg_backend_pid())")


def cut_off(tx):
    tx.execute(CUT_MYSELF_OFF)


def too_much(tx):
    tx.execute(text("INSERT INTO notes (n) SELECT value FROM json_each(:many)"), {"many": str(list(range(10, 90_000)))})


@pytest.fixture
def sqlite_path(sqlite_file_url):
    return make_url(sqlite_file_url).database


@pytest.fixture
async def impatient(sqlite_file_url):
    """A live SQLite store that waits hardly at all for another's lock."""
    store = open_store(sqlite_file_url)
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=20"))
    store.start()
    await store.write(make_notes)
    yield store
    await store.stop()


@pytest.fixture
async def cramped(sqlite_file_url):
    """A live SQLite store on a disk with room for a few rows more."""
    store = open_store(sqlite_file_url)
    store.run(make_notes)
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    store.engine.dispose()
    event.listen(
        store.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages + 20}")
    )
    store.start()
    yield store
    await store.stop()


async def test_a_locked_database_is_unavailable_to_a_writer(impatient, sqlite_path):
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(Unavailable):
            await impatient.write(note(1))


async def test_everybody_who_waits_for_a_locked_database_is_told(impatient, sqlite_path):
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        answers = await asyncio.gather(*[impatient.write(note(n)) for n in range(5)], return_exceptions=True)

    assert [Unavailable] * 5 == [type(answer) for answer in answers]


async def test_a_database_locked_for_writing_can_be_read(impatient, sqlite_path):
    await impatient.write(note(1))
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        assert [[1], [1]] == [await impatient.read(noted), await impatient.read_on_loop(noted)]


async def test_a_database_that_was_locked_is_written_again(impatient, sqlite_path):
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            await impatient.write(note(1))
        other.execute("ROLLBACK")

    assert 1 == await impatient.write(note(1))


async def test_a_writer_waits_for_another_process_that_is_about_to_end(sqlite_notes, sqlite_path):
    with closing(sqlite3.connect(sqlite_path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(sqlite_notes.write(note(1)))
        await sqlite_notes.read(noted)
        other.execute("COMMIT")

        assert 1 == await writing


async def test_a_full_disk_is_unavailable_and_keeps_nothing(cramped):
    with pytest.raises(Unavailable):
        await cramped.write(too_much)

    assert [] == await cramped.read(noted)


async def test_a_disk_that_fills_up_in_a_group_loses_nothing_that_was_answered(cramped):
    # SQLite may undo the whole transaction then, and what came before in it; nobody may be told it is kept.
    def one_big_row(tx):
        tx.execute(text("CREATE TABLE big (content BLOB)"))
        tx.execute(text("INSERT INTO big VALUES (zeroblob(4000000))"))

    answers = await in_one_group(cramped.write, note(1), one_big_row, note(2))

    assert [answer for answer in answers if not isinstance(answer, Unavailable)] == await cramped.read(noted)


async def test_a_disk_that_was_full_takes_small_mails_again(cramped):
    with pytest.raises(Unavailable):
        await cramped.write(too_much)

    assert 1 == await cramped.write(note(1))


async def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    path = tmp_path / "mailseal.db"
    path.write_bytes(b"not a database, though of some length " * 200)
    store = open_store(f"sqlite:///{path}")
    store.start()

    answers = await asyncio.gather(
        *[ask(noted) for ask in (store.write, store.read, store.read_on_loop)], return_exceptions=True
    )
    await store.stop()

    assert [Unavailable] * 3 == [type(answer) for answer in answers]


async def test_a_database_that_is_gone_is_unavailable_and_answers_when_it_is_back(sqlite_notes, sqlite_path, tmp_path):
    await sqlite_notes.write(note(1))
    sqlite_notes.engine.dispose()
    shutil.move(sqlite_path, tmp_path / "elsewhere.db")
    (tmp_path / "mailseal.db").mkdir()

    answers = await asyncio.gather(
        *[ask(noted) for ask in (sqlite_notes.write, sqlite_notes.read)], return_exceptions=True
    )
    (tmp_path / "mailseal.db").rmdir()
    shutil.move(tmp_path / "elsewhere.db", sqlite_path)

    assert [Unavailable] * 2 == [type(answer) for answer in answers]
    assert [1] == await sqlite_notes.read(noted)


@pytest.mark.parametrize("way", ["write", "read", "read_on_loop"])
async def test_a_connection_cut_while_idle_is_not_even_noticed(postgres_notes, postgres_url, way):
    await postgres_notes.write(note(1))
    await postgres_notes.read(noted)
    with psycopg.connect(postgres_url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert [1] == await getattr(postgres_notes, way)(noted)


@pytest.mark.parametrize("way", ["write", "read", "read_on_loop"])
async def test_a_connection_cut_at_work_is_unavailable(postgres_notes, way):
    with pytest.raises(Unavailable):
        await getattr(postgres_notes, way)(cut_off)


@pytest.mark.parametrize("way", ["write", "read", "read_on_loop"])
async def test_the_store_works_again_after_a_connection_was_cut(postgres_notes, way):
    await postgres_notes.write(note(1))
    ask = getattr(postgres_notes, way)
    with pytest.raises(Unavailable):
        await ask(cut_off)

    assert [1] == await ask(noted)


async def test_a_connection_cut_in_a_group_keeps_nothing_that_was_not_answered(postgres_notes):
    answers = await in_one_group(postgres_notes.write, note(1), cut_off, note(2))

    assert [Unavailable] * 3 == [type(answer) for answer in answers]
    assert [] == await postgres_notes.read(noted)


async def test_a_connection_cut_before_the_commit_keeps_nothing(postgres_notes, postgres_url):
    def cut_off_from_outside(tx):
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        tx.execute(ADD, {"n": 1, "parent": None})
        with psycopg.connect(postgres_url, autocommit=True) as operator:
            operator.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    with pytest.raises(Unavailable):
        await postgres_notes.write(cut_off_from_outside)

    assert [] == await postgres_notes.read(noted)


async def test_a_server_that_does_not_answer_is_unavailable(unused_tcp_port):
    store = open_store(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/mailseal")
    store.start()

    answers = await asyncio.gather(
        *[ask(noted) for ask in (store.write, store.read, store.read_on_loop)], return_exceptions=True
    )
    await store.stop()

    assert [Unavailable] * 3 == [type(answer) for answer in answers]


def test_a_program_without_a_loop_is_told_too(tmp_path):
    store: Store = open_store(f"sqlite:///{tmp_path}/no/such/folder/mailseal.db")

    with pytest.raises(Unavailable):
        store.run(noted)
