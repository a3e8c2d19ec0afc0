"""What an operator sees of letters and sessions: `letters`, `user sign-out`, and doctor's findings about letters."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from store.database.connect import open_store, sqlite_url
from store.directory.sessions import create_user_session
from store.directory.used_links import sign_in_epoch
from store.directory.users import get_user_by_email
from store.outbound.letters_queue import claim_due_letters, enqueue_sign_in, settle_letter_sent
from store.outbound.returned_letters import record_bounce
from tests.cli.conftest import OWNER


@pytest.fixture
def in_store(cli):
    """Runs a step on the store of the command's data directory."""
    store = open_store(sqlite_url(Path(cli.settings["MAILSEAL_DATA_DIR"]) / "mailseal.db"))
    yield store.run
    store.engine.dispose()


@pytest.fixture
def user(in_store):
    return in_store(lambda tx: get_user_by_email(tx, OWNER))


def bounced(in_store, user, *, ago):
    """A sign-in letter that came back *ago*."""
    at = datetime.now(UTC) - ago
    in_store(lambda tx: enqueue_sign_in(tx, user.id, now=at))
    [letter] = in_store(lambda tx: claim_due_letters(tx, limit=1, lease=timedelta(minutes=5), now=at))
    in_store(lambda tx: settle_letter_sent(tx, letter, now=at))
    in_store(lambda tx: record_bounce(tx, letter.id, "5.2.2; mailbox full \x1b[2J", now=at))
    return letter.id


def test_letters_that_came_back_are_listed_with_the_words_of_the_report(cli, in_store, user):
    assert [] == cli.json("letters")["items"]
    letter = bounced(in_store, user, ago=timedelta(days=2))

    [found] = cli.json("letters")["items"]
    assert (letter, OWNER, "sign_in") == (found["letter_id"], found["email"], found["kind"])
    assert found["bounce"].startswith("5.2.2; mailbox full")
    shown = cli.ok("letters")
    assert OWNER in shown
    assert "\x1b" not in shown
    assert [] == cli.json("letters", "--days", "1")["items"]


def letters_of(cli):
    result = cli.run("doctor", "--json", MAILSEAL_HTTP_LISTEN="127.0.0.1:9", MAILSEAL_SMTP_LISTEN="127.0.0.1:9")
    findings = json.loads(result.stdout)["findings"]
    return [(each["state"], each["seen"]) for each in findings if each["name"] == "letters"]


def test_doctor_tells_of_letters_that_came_back_in_the_last_week(cli, in_store, user):
    assert [("ok", "none came back in the last week")] == letters_of(cli)
    bounced(in_store, user, ago=timedelta(days=8))
    assert [("ok", "none came back in the last week")] == letters_of(cli)
    bounced(in_store, user, ago=timedelta(days=6))

    [(state, seen)] = letters_of(cli)
    assert ("warning", True) == (state, seen.startswith(f"a sign_in letter to {OWNER} came back: 5.2.2; mailbox full"))


def test_sign_out_ends_all_sessions_of_a_user_and_voids_links_that_were_given_out(cli, in_store, user):
    now = datetime.now(UTC)
    for number in range(2):
        in_store(lambda tx, at=f"{number}" * 64: create_user_session(tx, user.id, token_hash=at, now=now))
    before = in_store(lambda tx: sign_in_epoch(tx, user.id))

    assert {"email": OWNER, "sessions_ended": 2} == cli.json("user", "sign-out", OWNER)
    assert 0 == cli.json("user", "sign-out", OWNER)["sessions_ended"]
    assert in_store(lambda tx: sign_in_epoch(tx, user.id)) > before
    assert 1 == cli.run("user", "sign-out", "eve@owner.example").exit_code
