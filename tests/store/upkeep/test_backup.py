import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from store.database import migrate
from store.database.connect import database_file, open_engine, open_store
from store.errors import FileExists, InvalidValue, Unavailable
from store.figures import read_figures
from store.upkeep.backup import back_up, dump_command, remember_backup, restore_command
from store.upkeep.restore import restore
from tests.store.owned import dump

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
ASIDE = "mailseal.db.before-restore-20261123T151700Z"


def opened(file):
    return open_store(f"sqlite:///{file}")


# Backed up


def test_a_backup_holds_everything_in_one_file_of_its_owner(whole, database, tmp_path):
    made = back_up(database, tmp_path / "copy.db")

    assert dump(whole) == dump(opened(made.file))
    assert (made.file.stat().st_size, 0o600) == (made.size, stat.S_IMODE(made.file.stat().st_mode))
    assert (migrate.state(whole.engine).found, 1) == (made.revision, made.rows["users"])


def test_a_backup_is_one_file_and_leaves_nothing_beside_it(whole, database, tmp_path):
    (tmp_path / "kept").mkdir()
    back_up(database, tmp_path / "kept" / "copy.db")

    assert ["copy.db"] == [path.name for path in (tmp_path / "kept").iterdir()]


def test_a_backup_is_a_snapshot_however_much_is_written_meanwhile(whole, database, tmp_path, places):
    stop = threading.Event()

    def write_on():
        while not stop.is_set():
            whole.run(lambda tx: places.message(tx, "poll@agents.example"))

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        copies = [opened(back_up(database, tmp_path / f"{n}.db").file) for n in range(5)]
    finally:
        stop.set()
        writer.join()

    for copy in copies:
        with copy.engine.connect() as connection:
            last, count = connection.execute(
                text(
                    "SELECT last_seq, (SELECT count(*) FROM messages WHERE agent = address) FROM agents"
                    " WHERE address = 'poll@agents.example'"
                )
            ).one()
        assert last == count


def test_a_backup_does_not_write_over_a_file_unless_it_may(whole, database, tmp_path):
    file = tmp_path / "copy.db"
    file.write_text("precious")

    with pytest.raises(FileExists):
        back_up(database, file)
    assert "precious" == file.read_text()

    back_up(database, file, overwrite=True)
    assert dump(whole) == dump(opened(file))


def test_a_backup_that_cannot_be_written_says_so_and_leaves_nothing(whole, database, tmp_path):
    with pytest.raises(Unavailable):
        back_up(database, tmp_path / "no such folder" / "copy.db")


@pytest.mark.parametrize("content", [b"", b"no database " * 500])
def test_what_is_no_store_is_not_backed_up(tmp_path, content):
    (tmp_path / "mailseal.db").write_bytes(content)

    with pytest.raises(InvalidValue):
        back_up(tmp_path / "mailseal.db", tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


# Restored


def test_a_restored_store_is_the_one_that_was_backed_up_and_the_other_is_kept(whole, database, tmp_path, places):
    before = dump(whole)
    made = back_up(database, tmp_path / "copy.db")
    whole.run(lambda tx: places.message(tx, "poll@agents.example"))
    after = dump(whole)
    whole.engine.dispose()

    aside = restore(made.file, database, now=NOW).aside

    assert ASIDE == aside.name
    assert (before, after) == (dump(opened(database)), dump(opened(aside)))


def test_a_store_is_restored_where_there_was_none(whole, database, tmp_path):
    made = back_up(database, tmp_path / "copy.db")
    (tmp_path / "new").mkdir()

    assert restore(made.file, tmp_path / "new" / "mailseal.db", now=NOW).aside is None
    assert dump(whole) == dump(opened(tmp_path / "new" / "mailseal.db"))


def test_what_was_not_yet_in_the_main_file_of_the_old_store_is_not_played_into_the_new_one(
    whole, database, tmp_path, places
):
    made = back_up(database, tmp_path / "copy.db")
    before = dump(whole)
    for _ in range(5):
        whole.run(lambda tx: places.message(tx, "poll@agents.example"))
    after = dump(whole)
    # As a killed process leaves it: with its log beside it.
    killed = tmp_path / "killed"
    killed.mkdir()
    for rest in ("", "-wal"):
        shutil.copy(f"{database}{rest}", killed / f"mailseal.db{rest}")

    aside = restore(made.file, killed / "mailseal.db", now=NOW).aside

    assert (before, after) == (dump(opened(killed / "mailseal.db")), dump(opened(aside)))


def spoil(kind, file):
    match kind:
        case "no database":
            file.write_bytes(b"no database " * 500)
        case "empty":
            file.write_bytes(b"")
        case "cut off":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case "another program's":
            file.unlink()
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("CREATE TABLE notes (n)")
        case "a later release's":
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.execute("UPDATE alembic_version SET version_num = '9999'")
        case "torn":
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.execute("DELETE FROM bodies")


@pytest.mark.parametrize("kind", ["no database", "empty", "cut off", "another program's", "a later release's", "torn"])
def test_what_is_no_whole_store_of_this_program_is_not_restored(whole, database, tmp_path, kind):
    file = back_up(database, tmp_path / "copy.db").file
    spoil(kind, file)
    before = dump(whole)
    beside = {path.name for path in database.parent.iterdir()}

    with pytest.raises(InvalidValue):
        restore(file, database, now=NOW)

    assert before == dump(whole)
    assert beside == {path.name for path in database.parent.iterdir()}


def test_a_file_that_is_not_there_is_not_restored(database, tmp_path):
    with pytest.raises(InvalidValue):
        restore(tmp_path / "copy.db", database, now=NOW)


def test_an_older_backup_is_brought_up_before_it_is_in_place(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'mailseal.db'}")
    migrate.upgrade(engine, to="0001")
    file = back_up(tmp_path / "mailseal.db", tmp_path / "copy.db").file
    engine.dispose()

    restore(file, tmp_path / "mailseal.db", now=NOW)
    restored = open_engine(f"sqlite:///{tmp_path / 'mailseal.db'}")

    assert migrate.state(restored).is_current


# PostgreSQL


def test_how_postgresql_is_backed_up_is_told_without_the_password():
    url = "postgresql://me:hunter2@db.example:5433/mail"

    assert (
        "pg_dump --format=custom --file='/a b' --dbname=postgresql://me@db.example:5433/mail",
        "pg_restore --clean --if-exists --single-transaction --dbname=postgresql://me@db.example:5433/mail '/a b'",
    ) == (dump_command(url, Path("/a b")), restore_command(url, Path("/a b")))


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:////var/lib/mailseal/mailseal.db", Path("/var/lib/mailseal/mailseal.db")),
        ("sqlite://", None),
        ("postgresql://db.example/mail", None),
    ],
)
def test_only_a_sqlite_store_has_a_file(url, file):
    assert file == database_file(url)


def test_the_store_remembers_its_last_backup(whole, database, clock):
    remember_backup(database, now=clock.now())
    clock.advance(days=1)
    remember_backup(database, now=clock.now())

    assert clock.now() == whole.run(lambda tx: read_figures(tx, now=clock.now())).last_backup_at


def test_a_store_that_cannot_remember_a_backup_is_left_as_it_is(tmp_path, clock):
    remember_backup(tmp_path / "empty.db", now=clock.now())
