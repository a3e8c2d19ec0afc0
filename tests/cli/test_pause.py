"""All sending is stopped and started again by hand, and doctor says so."""

import pytest

from store.outbound.sending import settle_unconfirmed
from store.records.outbound import Draft
from tests.cli.conftest import OWNER
from tests.cli.outgoing import doubt, fail, hold, write


def pause_of(cli):
    """What doctor found of the pause."""
    result = cli.run("doctor")
    return [line for line in result.stdout.splitlines() if " pause: " in line or "mailseal resume" in line]


def test_sending_is_paused_once_and_resumed(fresh):
    fresh.ok("init")
    assert not fresh.json("resume")["was_paused"]

    first = fresh.json("pause", "--reason", "a loop")
    again = fresh.json("pause", "--reason", "another")

    assert (True, "a loop", first["at"]) == (again["paused"], again["reason"], again["at"])
    assert (False, True) == tuple(fresh.json("resume").values())
    assert fresh.json("pause")["reason"] is None


def test_doctor_warns_while_sending_is_paused(fresh):
    fresh.ok("init")
    assert ["ok       pause: sending is not paused"] == pause_of(fresh)
    fresh.ok("pause", "--reason", "a loop")

    warned, remedy = pause_of(fresh)

    assert warned.startswith("warning  pause: all sending is paused since ")
    assert warned.endswith(" UTC: a loop")
    assert "Run `mailseal resume`." == remedy.strip()


@pytest.mark.parametrize("reason", ["x" * 501, "two\nlines", "\x1b[2J"])
def test_a_reason_is_a_line(fresh, reason):
    fresh.ok("init")

    assert 1 == fresh.run("pause", "--reason", reason).exit_code
    assert not fresh.json("resume")["was_paused"]


def test_a_link_to_sign_in_by_is_printed_bare_or_as_json(cli):
    bare = cli.ok("login-link", OWNER)
    shown = cli.json("login-link", OWNER.upper())

    assert bare.startswith("http://127.0.0.1:8025/login/")
    assert (1, OWNER, True) == (bare.count("\n"), shown["email"], shown["url"] != bare.strip())
    assert 1 == cli.run("login-link", "nobody@owner.example").exit_code


# Mail that agents wrote


def test_mail_that_agents_wrote_is_listed_and_shown(cli):
    queued, held = write(cli), hold(cli)

    assert [held, queued] == [each["message_id"] for each in cli.json("message", "list", "--written")["items"]]
    assert [] == cli.json("message", "list", "--written", "--agent", "hook@agents.example")["items"]
    assert 1 == len(cli.json("message", "list", "--written", "--agent", "bot@agents.example", "--limit", "1")["items"])
    assert [] == cli.json("message", "list")["items"]
    assert queued in cli.ok("message", "list", "--written")
    shown = cli.json("message", "show", held)
    assert ("pending_approval", "Grüße") == (shown["status"], shown["subject"])


def test_a_trace_tells_every_attempt_to_send(cli):
    message_id = fail(cli)

    trace = cli.json("message", "trace", message_id)

    assert [("failed", "550 no")] == [(each["outcome"], each["error"]) for each in trace["attempts"]]
    assert ("failed", []) == (trace["written"]["status"], trace["feedback"])
    assert "550 no" in cli.ok("message", "trace", message_id)


def test_bytes_that_are_not_kept_are_said_to_be_gone(cli):
    result = cli.run("message", "raw", write(cli))

    assert (1, "mailseal: The message's content is no longer stored\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize("command", ["show", "trace", "raw"])
def test_a_message_of_neither_direction_is_not_there(cli, command):
    assert "mailseal: No such message\n" == cli.run("message", command, "msg_0").stderr


@pytest.mark.parametrize(
    ("make", "word", "status"),
    [(doubt, "--sent", "sent"), (doubt, "--send-again", "queued"), (fail, "--send-again", "queued")],
)
def test_mail_in_trouble_is_resolved(cli, make, word, status):
    message_id = make(cli)

    assert {"message_id": message_id, "status": status} == cli.json("message", "resolve", message_id, word)


def test_mail_that_did_go_out_goes_to_the_agents_here_too(cli):
    raw = b"From: bot@agents.example\r\nSubject: Hi\r\n\r\none\r\n"
    draft = Draft(to=("bo@reader.example", "hook@agents.example"), subject="Hi", text="one")
    message_id = write(cli, settle_unconfirmed, raw=raw, draft=draft)

    cli.ok("message", "resolve", message_id, "--sent")

    (arrived,) = cli.json("message", "list")["items"]
    assert ("hook@agents.example", "Hi") == (arrived["agent"], arrived["subject"])


@pytest.mark.parametrize(
    ("make", "words", "exit_code"),
    [(fail, ["--sent"], 1), (write, ["--sent"], 1), (hold, ["--send-again"], 1), (doubt, [], 2),
     (doubt, ["--sent", "--send-again"], 2)],
)  # fmt: skip
def test_what_is_in_no_such_trouble_is_left_alone(cli, make, words, exit_code):
    message_id = make(cli)
    before = cli.json("message", "show", message_id)

    assert exit_code == cli.run("message", "resolve", message_id, *words).exit_code
    assert before == cli.json("message", "show", message_id)
