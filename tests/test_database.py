"""The right store or none: with its own master key, and never an empty one in place of one that is lost."""

import shutil
import sqlite3

import pytest

from relay.daemon import Daemon
from relay.database import make_database, open_database
from relay.errors import Misconfigured
from relay.master_files import read_master
from relay.settings import load
from store.errors import Unavailable
from store.facts import MASTER_CHECK, forget_fact, read_fact
from store.upkeep.backup import back_up
from tests.fakes import FakeClock
from tests.places import Places

NOW = FakeClock().now()
OTHER = "another master key than the store's"


def settings_of(folder, **more):
    anywhere = {"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0"}
    return load({"MAILSEAL_DATA_DIR": str(folder), "MAILSEAL_HOSTNAME": "mx.here.example"} | anywhere | more)


@pytest.fixture
def settings(tmp_path):
    """Settings of a store that holds secrets."""
    made = settings_of(tmp_path / "data")
    store = make_database(made, now=NOW)
    places = Places(FakeClock(), read_master(made))
    store.run(places.poll_agent)
    store.engine.dispose()
    return made


def refusal(settings):
    with pytest.raises(Misconfigured) as caught:
        open_database(settings, now=NOW)
    return str(caught.value)


def forget_check(settings):
    """Make the store one from before revision 0006 in what concerns its key."""
    store = open_database(settings, now=NOW)
    store.run(lambda tx: forget_fact(tx, MASTER_CHECK))
    store.engine.dispose()


def test_a_store_opens_with_its_own_key(settings):
    open_database(settings, now=NOW).engine.dispose()


@pytest.mark.parametrize("is_old", [False, True])
def test_a_store_does_not_open_with_another_key(settings, tmp_path, is_old):
    if is_old:
        forget_check(settings)

    why = refusal(settings_of(tmp_path / "data", MAILSEAL_SECRET_KEY=OTHER))

    place = tmp_path / "data" / "mailseal.db"
    assert why.startswith(f"MAILSEAL_SECRET_KEY is not the master key of the store {place}: ")


def test_a_store_of_an_earlier_release_gets_the_check_value_of_the_key_that_opens_a_secret(settings):
    forget_check(settings)

    store = open_database(settings, now=NOW)

    assert store.run(lambda tx: read_fact(tx, MASTER_CHECK)).value == read_master(settings).check
    store.engine.dispose()


@pytest.mark.parametrize("is_old", [False, True])
def test_no_key_is_made_beside_a_store_that_holds_secrets(settings, tmp_path, is_old):
    if is_old:
        forget_check(settings)
    (tmp_path / "data" / "secret.key").unlink()

    for use in (open_database, make_database):
        with pytest.raises(Misconfigured, match=r"the master key .*secret\.key is missing"):
            use(settings, now=NOW)

    assert not (tmp_path / "data" / "secret.key").exists()


@pytest.mark.parametrize(("lose", "word"), [("remove", "gone"), ("empty", "empty")])
def test_a_store_that_was_there_and_is_not_is_never_taken_for_a_new_one(settings, tmp_path, lose, word):
    file = tmp_path / "data" / "mailseal.db"
    file.unlink() if lose == "remove" else file.write_bytes(b"")

    for use in (open_database, make_database):
        with pytest.raises(Misconfigured, match=f"the store {file} is {word}, and .*secret.key is there"):
            use(settings, now=NOW)

    make_database(settings, now=NOW, is_new=True).engine.dispose()
    open_database(settings, now=NOW).engine.dispose()


def test_nothing_is_made_where_no_store_was(tmp_path):
    assert refusal(settings_of(tmp_path / "data")).startswith(f"there is no store at {tmp_path}/data/mailseal.db: ")
    assert not (tmp_path / "data").exists()


async def test_a_daemon_whose_file_is_removed_takes_no_mail_and_is_not_ready(settings, tmp_path):
    daemon = Daemon(settings)
    await daemon.start()
    assert await daemon._is_ready()
    (tmp_path / "data" / "mailseal.db").rename(tmp_path / "away.db")

    assert not await daemon._is_ready()
    for use in (daemon.store.write, daemon.store.read, daemon.store.read_on_loop):
        with pytest.raises(Unavailable, match=r"mailseal\.db is gone"):
            await use(lambda _tx: None)

    (tmp_path / "away.db").rename(tmp_path / "data" / "mailseal.db")
    assert await daemon._is_ready()
    await daemon.stop()


async def test_a_daemon_whose_file_is_replaced_takes_no_mail(settings, tmp_path):
    file = tmp_path / "data" / "mailseal.db"
    back_up(file, tmp_path / "copy.db")
    daemon = Daemon(settings)
    await daemon.start()

    shutil.move(tmp_path / "copy.db", file)

    assert not await daemon._is_ready()
    with pytest.raises(Unavailable, match="was replaced by another file"):
        await daemon.store.write(lambda _tx: None)
    await daemon.stop()


async def test_a_daemon_whose_database_becomes_another_keys_takes_no_mail(settings, tmp_path):
    daemon = Daemon(settings)
    await daemon.start()
    with sqlite3.connect(tmp_path / "data" / "mailseal.db") as other:
        other.execute("UPDATE store_facts SET value = 'another' WHERE name = 'master_check'")

    assert not await daemon._is_ready()
    with pytest.raises(Unavailable, match="another master key"):
        await daemon._admit(None)
    await daemon.stop()


async def test_a_daemon_without_room_is_not_ready(settings, tmp_path):
    daemon = Daemon(settings_of(tmp_path / "data", MAILSEAL_MIN_FREE_BYTES=str(2**60)))
    await daemon.start()

    assert not await daemon._is_ready()
    await daemon.stop()
