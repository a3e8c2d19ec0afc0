"""The operator looks at what waits, and decides in its owner's place."""

import json

from relay.clock import SystemClock
from relay.master_files import read_master
from relay.settings import load
from relay.signing.link import read_review_token
from store.records.outbound import Draft
from tests.cli.conftest import BOT, OWNER
from tests.cli.outgoing import hold, write

OTHER = "bo@other.example"


def other_user(cli):
    """Another user with an agent of theirs; its address."""
    cli.ok("user", "create", OTHER)
    cli.ok("domain", "add", "other.example", "--user", OTHER)
    cli.ok("domain", "verify", "other.example", "--user", OTHER, "--force")
    cli.ok("agent", "create", "bot@other.example", "--user", OTHER, "--poll")
    return "bot@other.example"


def test_what_waits_is_listed_soonest_expiring_first_of_everybody_or_of_one(cli):
    late, soon = hold(cli, ttl=3600), hold(cli, other_user(cli), ttl=60)
    write(cli)

    assert [soon, late] == [each["message_id"] for each in cli.json("review", "list")["items"]]
    assert [late] == [each["message_id"] for each in cli.json("review", "list", "--user", OWNER)["items"]]
    assert late in cli.ok("review", "list")


def test_a_draft_is_shown_whole_with_the_link_of_its_owner(cli):
    message_id = hold(cli)

    shown = cli.json("review", "show", message_id)

    assert ("hello", "<p>hello</p>", "ed@reader.example", "a.pdf") == (
        shown["text"], shown["html"], shown["bcc"][0]["address"], shown["attachments"][0]["filename"],
    )  # fmt: skip
    assert {"NEW DOMAIN"} == {mark for marks in shown["marks"].values() for mark in marks}
    settings = load(cli.settings)
    token = shown["review_url"].removeprefix(f"{settings.base_url}/review/")
    link = read_review_token(token, key=read_master(settings).links, now=SystemClock().now())
    (owner,) = cli.json("user", "list")["items"]
    assert (message_id, 1, owner["user_id"]) == (link.message_id, link.revision, link.user_id)


def test_a_draft_is_shown_to_eyes_with_nothing_in_it_that_moves_them(cli):
    message_id = hold(
        cli,
        draft=Draft(
            to=("bo@reader.example",),
            names=(("bo@reader.example", "Bo"),),
            subject="Hi",
            text="one\x1b[2J\n\ttwo\u2028three",
        ),
    )

    shown = cli.ok("review", "show", message_id)

    assert shown.startswith("to: bo@reader.example (Bo)   [NEW DOMAIN]\n")
    assert "\ntext:\n| one [2J\n|     two\n| three\n" in shown
    assert "\x1b" not in shown
    assert shown.rstrip().rpartition("\n")[2].startswith("http://127.0.0.1:8025/review/")


def test_what_does_not_wait_has_no_link(cli):
    assert cli.json("review", "show", write(cli))["review_url"] is None


def decide(cli, *words):
    """How a decision ended, what it printed, and the last line of what it said; as a process, for it logs."""
    done = cli.process("review", *words, "--json")
    return done.returncode, json.loads(done.stdout or b"null"), done.stderr.decode().rstrip().rpartition("\n")[2]


def test_a_mail_is_rejected_with_a_reason(cli):
    message_id = hold(cli)

    code, decided, _ = decide(cli, "reject", message_id, "--reason", "no such promise")

    assert (0, message_id, "rejected", "no such promise") == (
        code, decided["message_id"], decided["status"], decided["reason"],
    )  # fmt: skip
    assert [] == cli.json("review", "list")["items"]


def test_a_mail_to_an_agent_here_is_approved_and_arrives(cli):
    message_id = hold(cli, draft=Draft(to=("hook@agents.example",), subject="Hi", text="one"))

    decided = cli.process("review", "approve", message_id, "--reason", "fine", "--json")

    assert (0, b'"sent"') == (decided.returncode, decided.stdout.split(b'status": ')[1].split(b",")[0]), decided.stderr
    assert "fine" == cli.json("review", "show", message_id)["reason"]
    assert ["Hi"] == [
        mail["subject"] for mail in cli.json("message", "list", "--agent", "hook@agents.example")["items"]
    ]


def test_what_cannot_be_sent_stays_and_says_why(cli):
    message_id = hold(cli)

    code, printed, said = decide(cli, "approve", message_id)

    assert (1, None, True) == (code, printed, "MAILSEAL_OUTBOUND=none" in said), said
    assert [message_id] == [each["message_id"] for each in cli.json("review", "list")["items"]]


def test_what_is_not_there_is_said(cli):
    for words in (["show"], ["approve"], ["reject"]):
        result = cli.run("review", *words, "msg_0")
        assert (1, "mailseal: No such message\n") == (result.exit_code, result.stderr)
    assert 1 == cli.run("review", "list", "--user", "nobody@owner.example").exit_code


def test_the_mail_of_an_agent_that_is_gone_waits_no_more(cli):
    hold(cli)
    cli.ok("agent", "delete", BOT, "--yes")

    assert [] == cli.json("review", "list")["items"]
