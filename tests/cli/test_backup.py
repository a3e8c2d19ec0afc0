"""The store as a whole, by the command line."""

import json
import shutil
import time
import zipfile

import pytest
from sqlalchemy import make_url

from relay.clock import SystemClock
from relay.data_dir_lock import exclusive_lock, shared_lock
from store.database.connect import open_engine, open_store, sqlite_url
from store.database.migrate import state, upgrade
from store.directory.users import get_user_by_email
from store.outbound.letters_queue import enqueue_review, enqueue_sign_in, next_letter_due
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from tests.cli.conftest import BOT, OWNER, Cli
from tests.places import new_outbound


@pytest.fixture
def settled(tmp_path):
    """A relay with a user, a domain and agents, in a directory of its own."""
    return Cli(tmp_path / "data", MAILSEAL_SECRET_KEY_FILE="").settle()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "copy.db"


def test_a_store_is_backed_up_and_restored(settled, tmp_path, file):
    made = settled.json("backup", str(file))
    assert (str(file), 1, file.stat().st_size) == (made["file"], made["users"], made["bytes"])
    settled.ok("agent", "delete", BOT, "--yes")

    done = settled.json("restore", str(file))

    assert done["before"].startswith(str(tmp_path / "data" / "mailseal.db.before-restore-"))
    assert BOT == settled.json("agent", "show", BOT)["address"]


def test_a_backup_says_what_is_not_in_it(settled, tmp_path, file):
    result = settled.run("backup", str(file))

    assert str(tmp_path / "data" / "secret.key") in result.stderr


def test_a_backup_writes_over_nothing_unless_it_is_told_to(settled, file):
    file.write_text("precious")

    result = settled.run("backup", str(file))

    assert (1, "precious") == (result.exit_code, file.read_text())
    assert "exists already" in result.stderr
    settled.ok("backup", str(file), "--force")


def test_a_file_that_is_no_store_is_not_restored(settled, file):
    file.write_bytes(b"no database " * 500)

    result = settled.run("restore", str(file))

    assert 1 == result.exit_code
    assert result.stderr.startswith("mailseal: ")
    assert BOT == settled.json("agent", "show", BOT)["address"]


def test_nothing_is_restored_or_copied_while_the_daemon_runs(settled, tmp_path, file):
    settled.ok("backup", str(file))

    with shared_lock(tmp_path / "data"):
        results = [settled.run("restore", str(file)), settled.run("migrate-to", sqlite_url(tmp_path / "new.db"))]

    assert [75, 75] == [result.exit_code for result in results]
    assert all("stop it first" in result.stderr for result in results)
    assert not (tmp_path / "new.db").exists()


def test_a_store_moves_to_postgresql_and_goes_on_there(settled, empty_postgres_url):
    moved = json.loads(settled.ok("migrate-to", empty_postgres_url, "--json"))

    assert {"users": 1, "agents": 3} == {
        each["table"]: each["rows"] for each in moved["items"] if each["table"] in {"users", "agents"}
    }
    settled.settings["MAILSEAL_DATABASE_URL"] = empty_postgres_url
    assert BOT == settled.json("agent", "show", BOT, "--secret")["address"]
    assert [OWNER] == [user["email"] for user in settled.json("user", "list")["items"]]


def test_a_store_does_not_move_where_something_is(settled, tmp_path):
    Cli(tmp_path / "other").settle()

    result = settled.run("migrate-to", sqlite_url(tmp_path / "other" / "mailseal.db"))

    assert 1 == result.exit_code
    assert "has rows already" in result.stderr


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense"])
def test_a_store_moves_to_a_database_of_ours_alone(settled, url):
    result = settled.run("migrate-to", url)

    assert 1 == result.exit_code
    assert "database URL" in result.stderr


def test_a_store_that_was_half_copied_is_not_opened(settled, tmp_path):
    url = sqlite_url(tmp_path / "half.db")
    settled.ok("migrate-to", url)
    half = open_store(url)
    with half.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mailseal_copy (name TEXT)")
    half.engine.dispose()

    result = settled.run("user", "list", MAILSEAL_DATABASE_URL=url)

    assert 78 == result.exit_code
    assert "run `mailseal migrate-to` again" in result.stderr


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_on_postgresql_its_own_programs_are_named(settled, empty_postgres_url, file, command):
    file.write_text("")
    result = settled.run(command, str(file), MAILSEAL_DATABASE_URL=empty_postgres_url)

    assert 1 == result.exit_code
    assert {"backup": "pg_dump ", "restore": "pg_restore "}[command] in result.stderr


def test_a_user_is_taken_along_and_taken_away(settled, tmp_path):
    settled.ok("user", "export", OWNER, "--output", str(tmp_path / "account.zip"))
    assert BOT.encode() in zipfile.ZipFile(tmp_path / "account.zip").read("account.jsonl")

    assert 2 == settled.run("user", "delete", OWNER).exit_code  # it asks, and there is no terminal
    gone = settled.json("user", "delete", OWNER, "--yes")

    assert (1, 3) == (gone["users"], gone["agents"])
    assert [] == settled.json("user", "list")["items"]


def test_nobody_is_not_taken_away(settled):
    assert 1 == settled.run("user", "delete", "nobody@owner.example", "--yes").exit_code


def test_nothing_is_restored_or_copied_while_another_command_has_the_store_open(settled, tmp_path, file):
    settled.ok("backup", str(file))

    with exclusive_lock(tmp_path / "data"):
        results = [settled.run(*command) for command in (["user", "list"], ["backup", str(file), "--force"])]

    assert [75, 75] == [result.exit_code for result in results]
    assert all("being moved" in result.stderr for result in results)


def test_a_move_says_what_to_set_and_what_else_is_needed_and_no_password(settled, tmp_path, empty_postgres_url):
    url = make_url(empty_postgres_url).set(password="swordfish").render_as_string(hide_password=False)

    result = settled.run("migrate-to", url)

    assert f"MAILSEAL_DATABASE_URL={make_url(url).render_as_string()}" in result.stderr
    assert str(tmp_path / "data" / "secret.key") in result.stderr
    assert "swordfish" not in result.output


def test_a_store_that_is_not_there_is_neither_backed_up_nor_moved(empty, tmp_path, file):
    results = [empty.run("backup", str(file)), empty.run("migrate-to", sqlite_url(tmp_path / "new.db"))]

    assert [78, 78] == [result.exit_code for result in results]
    assert all("there is no store at" in result.stderr for result in results)
    assert not (tmp_path / "data" / "mailseal.db").exists()


def test_a_backup_leaves_the_store_at_its_revision(empty, tmp_path, file):
    (tmp_path / "data").mkdir()
    engine = open_engine(sqlite_url(tmp_path / "data" / "mailseal.db"))
    upgrade(engine, to="0001")

    assert "0001" == empty.json("backup", str(file))["revision"]
    assert "0001" == state(engine).found
    result = empty.run("migrate-to", sqlite_url(tmp_path / "new.db"))
    engine.dispose()

    assert (1, True) == (result.exit_code, "run `mailseal migrate` first" in result.stderr)


def test_a_store_is_restored_on_a_machine_that_has_none(settled, tmp_path, file):
    settled.ok("backup", str(file))
    new = Cli(tmp_path / "elsewhere")
    without_key = new.run("restore", str(file))
    shutil.copy(tmp_path / "data" / "secret.key", tmp_path / "elsewhere")

    done = new.json("restore", str(file))

    assert (78, True) == (without_key.exit_code, "secret.key is missing" in without_key.stderr)
    assert (None, 1) == (done["before"], done["users"])
    assert [OWNER] == [user["email"] for user in new.json("user", "list")["items"]]


def test_a_store_that_was_moved_is_not_used_until_it_is_reopened(settled, tmp_path):
    target = sqlite_url(tmp_path / "new.db")
    settled.ok("migrate-to", target)

    for command in (["user", "list"], ["serve"], ["migrate"], ["init"], ["migrate-to", sqlite_url(tmp_path / "b.db")]):
        result = settled.run(*command)
        assert (78, True) == (result.exit_code, f"was moved to {tmp_path / 'new.db'} at " in result.stderr), command
    assert (
        BOT == json.loads(settled.run("agent", "show", BOT, "--json", MAILSEAL_DATABASE_URL=target).stdout)["address"]
    )
    assert settled.json("reopen")["was_moved"]
    assert BOT == settled.json("agent", "show", BOT)["address"]


def test_what_was_queued_in_a_backup_is_not_sent_again_after_a_restore(settled, file):
    store = open_store(sqlite_url(f"{settled.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    now = SystemClock().now()
    queued = store.run(lambda tx: create_outbound_message(tx, new_outbound(BOT, at=now)).id)
    held = store.run(lambda tx: create_pending_outbound_message(tx, new_outbound(BOT, at=now), ttl_seconds=600).id)
    store.engine.dispose()
    settled.ok("backup", str(file))

    done = settled.json("restore", str(file))

    assert 1 == done["unconfirmed"]
    assert "unconfirmed" == settled.json("message", "show", queued)["status"]
    assert "pending_approval" == settled.json("message", "show", held)["status"]
    time.sleep(1.1)  # the store that a restore replaces is kept under a name with the second
    assert 0 == settled.json("restore", str(file), "--send-queued")["unconfirmed"]
    assert "queued" == settled.json("message", "show", queued)["status"]


def test_letters_that_were_pending_in_a_backup_are_not_sent_after_a_restore_unless_the_operator_asks(settled, file):
    store = open_store(sqlite_url(f"{settled.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    now = SystemClock().now()

    def ask(tx):
        held = create_pending_outbound_message(tx, new_outbound(BOT, at=now), ttl_seconds=600)
        user = get_user_by_email(tx, OWNER)
        enqueue_review(tx, user.id, held.id, 1, now=now)
        enqueue_sign_in(tx, user.id, now=now)
        return held.id

    held = store.run(ask)
    store.engine.dispose()
    settled.ok("backup", str(file))

    done = settled.run("restore", str(file), "--json")

    assert 2 == json.loads(done.stdout)["letters_withheld"]
    assert "2 letters that were pending are not sent" in done.stderr
    store = open_store(sqlite_url(f"{settled.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    assert store.run(next_letter_due) is None
    assert "pending_approval" == settled.json("message", "show", held)["status"]
    told = json.loads(settled.run("doctor", "--json", MAILSEAL_HTTP_LISTEN="127.0.0.1:9").stdout)["findings"]
    assert [("warning", True)] == [
        (each["state"], each["seen"].startswith("2 were pending when the backup was made"))
        for each in told
        if each["name"] == "letters"
    ]
    # A letter that is asked for after the restore is sent.
    store.run(lambda tx: enqueue_sign_in(tx, get_user_by_email(tx, OWNER).id, now=now))
    assert store.run(next_letter_due) is not None
    store.engine.dispose()
    time.sleep(1.1)  # as above
    assert 0 == settled.json("restore", str(file), "--send-queued")["letters_withheld"]
    store = open_store(sqlite_url(f"{settled.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    assert store.run(next_letter_due) is not None
    store.engine.dispose()


def test_a_backup_of_another_key_is_not_restored(settled, tmp_path, file):
    other = Cli(tmp_path / "other").settle()
    other.ok("backup", str(file))

    result = settled.run("restore", str(file))

    assert (78, True) == (result.exit_code, "is not the master key of the store" in result.stderr)
    assert BOT == settled.json("agent", "show", BOT)["address"]
