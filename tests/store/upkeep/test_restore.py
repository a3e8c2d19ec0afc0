"""A restore beside what may lie there, and cut off at every step of its way."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.database.connect import open_store, sqlite_url
from store.errors import FileExists, InvalidValue, StoreError, Unavailable
from store.upkeep.backup import back_up
from store.upkeep.restore import restore
from tests.store.database.test_migrate import ROOT
from tests.store.owned import dump

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)

# Restores into a copy of the killed store again and again. The N-th time it ends itself, as a kill would, right
# before the N-th time that it touches the folder by a call of its own.
RESTORES = """
import os, shutil, sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from store.upkeep.restore import restore

source, killed, places = map(Path, sys.argv[1:])
CALLS = {"open", "os.link", "os.rename", "os.remove", "sqlite3.connect"}

def end_at(number, folder):
    left = iter(range(number - 1))

    def look(event, given):
        texts = [os.fsdecode(each) for each in given if isinstance(each, (str, bytes, os.PathLike))]
        if event in CALLS and any(folder in text for text in texts) and next(left, None) is None:
            os._exit(9)

    sys.addaudithook(look)

def restore_into(folder):
    restore(source, folder / "mailseal.db", now=datetime(2026, 11, 23, tzinfo=UTC))

for number in count(1):
    folder = places / str(number)
    shutil.copytree(killed, folder)
    if (child := os.fork()) == 0:
        end_at(number, str(folder))
        restore_into(folder)
        os._exit(0)
    if (status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) != 9:
        sys.exit(status)
"""


@pytest.fixture
def kept(whole, database, tmp_path) -> Path:
    """A backup of the store."""
    return back_up(database, tmp_path / "kept.db").file


@pytest.fixture
def more(whole, places):
    """Has mails arrive after the backup."""
    return lambda: whole.run(lambda tx: places.message(tx, "poll@agents.example"))


def held(file):
    """Everything in a store."""
    opened = open_store(sqlite_url(file))
    found = dump(opened)
    opened.engine.dispose()
    return found


def as_killed(database, folder):
    """A copy of the store as a killed process leaves it: with its log beside it."""
    folder.mkdir()
    for rest in ("", "-wal"):
        shutil.copy(f"{database}{rest}", folder / f"mailseal.db{rest}")
    return folder / "mailseal.db"


def test_a_log_whose_database_is_gone_is_not_played_into_the_new_one(whole, database, kept, more, tmp_path):
    before = dump(whole)
    more()
    place = as_killed(database, tmp_path / "place")
    place.unlink()

    restore(kept, place, now=NOW)

    assert before == held(place)


def test_nothing_is_restored_under_somebody_who_has_the_store_open(whole, database, kept, more):
    more()
    before = dump(whole)

    with pytest.raises(Unavailable, match="is open in another process"):
        restore(kept, database, now=NOW)

    more()
    assert len(before["messages"]) + 1 == len(dump(whole)["messages"])
    assert [] == list(database.parent.glob("*.before-restore-*"))


def test_what_is_no_database_any_more_is_restored_over_and_kept_as_it_is(whole, database, kept):
    before = dump(whole)
    whole.engine.dispose()
    database.write_bytes(b"no database " * 500)

    aside = restore(kept, database, now=NOW).aside

    assert (b"no database " * 500, before) == (aside.read_bytes(), held(database))


def test_a_file_with_a_log_of_its_own_is_not_restored_without_it(database, whole, tmp_path):
    given = as_killed(database, tmp_path / "given")

    with pytest.raises(InvalidValue, match="holds changes that are not in"):
        restore(given, tmp_path / "place" / "mailseal.db", now=NOW)


def test_a_store_is_not_restored_from_itself(whole, database):
    whole.engine.dispose()
    before = held(database)

    with pytest.raises(InvalidValue, match="the store itself"):
        restore(database, database, now=NOW)

    assert before == held(database)


def test_a_place_that_is_taken_for_the_old_store_changes_nothing(whole, database, kept):
    before = dump(whole)
    whole.engine.dispose()
    restore(kept, database, now=NOW)

    with pytest.raises(Unavailable, match="File exists"):
        restore(kept, database, now=NOW)

    assert before == held(database)


def test_a_folder_that_is_not_there_is_told(kept, tmp_path):
    with pytest.raises(Unavailable):
        restore(kept, tmp_path / "no such folder" / "mailseal.db", now=NOW)


def test_what_was_restored_is_for_its_owner_s_eyes(whole, database, kept):
    whole.engine.dispose()
    restore(kept, database, now=NOW)

    assert 0o600 == stat.S_IMODE(database.stat().st_mode)


def test_what_a_killed_restore_left_is_in_nobody_s_way(whole, database, kept, tmp_path):
    before = dump(whole)
    whole.engine.dispose()
    for rest in ("", "-wal", "-journal"):
        Path(f"{database}.restoring{rest}").write_bytes(b"half of a store")

    restore(kept, database, now=NOW)

    assert before == held(database)
    assert [] == list(tmp_path.glob("*.restoring*"))


def test_a_restore_that_is_cut_off_anywhere_leaves_the_old_store_or_the_new_one(whole, database, kept, more, tmp_path):
    new = dump(whole)
    more()
    old = dump(whole)
    killed = as_killed(database, tmp_path / "killed").parent
    command = [sys.executable, "-c", RESTORES, str(kept), str(killed), str(tmp_path / "places")]
    subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, timeout=100, check=True)

    places = sorted((tmp_path / "places").iterdir(), key=lambda place: int(place.name))
    found = [[old, new].index(held(place / "mailseal.db")) for place in places]

    assert found == sorted(found)  # the old one up to a step, and the new one from there on
    assert {0, 1} == set(found)


# The same care, of a backup


@pytest.mark.parametrize("rest", ["-wal", "-journal"])
def test_a_backup_is_not_written_over_one_whose_log_would_be_played_into_it(whole, database, kept, rest):
    Path(f"{kept}{rest}").write_bytes(b"a log")

    with pytest.raises(FileExists, match=f"kept.db{rest}"):
        back_up(database, kept, overwrite=True)


def test_a_store_is_not_written_over_by_its_own_backup(whole, database):
    inode = database.stat().st_ino

    with pytest.raises(FileExists, match="the store itself"):
        back_up(database, database, overwrite=True)

    assert inode == database.stat().st_ino


def test_a_backup_is_not_written_over_a_folder(whole, database, tmp_path):
    with pytest.raises(FileExists):
        back_up(database, tmp_path, overwrite=True)


def test_half_a_store_is_not_backed_up(whole, database, tmp_path):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE mailseal_copy (name TEXT)")

    with pytest.raises(InvalidValue, match="unfinished copy"):
        back_up(database, tmp_path / "copy.db")


def test_a_full_disk_leaves_no_part_of_a_backup(whole, database, tmp_path):
    (tmp_path / "full").mkdir()
    script = (
        "import resource, signal, sys; from pathlib import Path; from store.upkeep.backup import back_up;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "back_up(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(database), str(tmp_path / "full" / "copy.db")]
    ended = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )

    assert "store.errors.Unavailable" in ended.stderr
    assert [] == list((tmp_path / "full").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator gives files away")
def test_what_the_administrator_restores_stays_its_owner_s(whole, database, kept):
    whole.engine.dispose()
    os.chown(database, 4321, 4321)

    restore(kept, database, now=NOW)

    assert (4321, 4321) == (database.stat().st_uid, database.stat().st_gid)


def test_every_refusal_is_the_store_s_own(database, tmp_path):
    (tmp_path / "given.db").write_bytes(b"SQLite format 3\0" + b"\0" * 4096)

    with pytest.raises(StoreError):
        restore(tmp_path / "given.db", database, now=NOW)
