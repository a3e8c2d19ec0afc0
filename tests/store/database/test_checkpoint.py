import asyncio
import shutil
import sqlite3

import pytest

from store.database.checkpoint import checkpoint
from store.database.connect import open_store, sqlite_url
from store.errors import Unavailable
from tests.store.gate import Gate
from tests.store.notes import NOTES, note, noted


def in_the_file(path, tmp_path):
    """What is in the file itself, whatever the log beside it says."""
    copy = shutil.copy(path, tmp_path / "copy.db")
    with sqlite3.connect(copy) as connection:
        return [row[0] for row in connection.execute(f"SELECT n FROM {NOTES.name} ORDER BY n")]


async def test_what_was_committed_is_in_the_file_then(sqlite_notes, tmp_path):
    for number in range(20):
        await sqlite_notes.write(note(number))

    await checkpoint(sqlite_notes)

    assert list(range(20)) == in_the_file(tmp_path / "mailseal.db", tmp_path)


async def test_nobody_is_waited_for(sqlite_notes):
    writing, reading = Gate(note(2)), Gate(noted)
    await sqlite_notes.write(note(1))
    units = [
        asyncio.ensure_future(sqlite_notes.write(writing.unit)),
        asyncio.ensure_future(sqlite_notes.read(reading.unit)),
    ]
    await writing.is_reached()
    await reading.is_reached()

    async with asyncio.timeout(20):
        await checkpoint(sqlite_notes)

    writing.open()
    reading.open()
    await asyncio.gather(*units)
    assert [1, 2] == await sqlite_notes.read(noted)


async def test_on_postgresql_there_is_nothing_to_do(postgres_notes):
    await postgres_notes.write(note(1))
    await checkpoint(postgres_notes)

    assert [1] == await postgres_notes.read(noted)


async def test_a_file_that_is_gone_is_no_raw_error(tmp_path):
    store = open_store(sqlite_url(tmp_path / "gone" / "mailseal.db"))

    with pytest.raises(Unavailable):
        await checkpoint(store)
    store.engine.dispose()
