"""Mail by hand: put in, looked at, traced, delivered again."""

import json
import shutil

import pytest
from sqlalchemy import update

from store.database.connect import open_store, sqlite_url
from store.schema.inbound import deliveries
from tests.auth.mails import MAIL
from tests.cli.conftest import BOT, HOOK, OWNER, Cli


@pytest.fixture
def copied(posted, tmp_path) -> Cli:
    """The relay that has got a mail, to be changed."""
    shutil.copytree(posted.settings["MAILSEAL_DATA_DIR"], tmp_path / "copy")
    copy = Cli(tmp_path / "copy")
    copy.ids = posted.ids
    return copy


def test_a_mail_put_in_is_received_for_each_recipient(posted):
    shown = [posted.json("message", "show", message_id) for message_id in posted.ids]

    assert [BOT, HOOK] == [message["agent"] for message in shown]


def test_messages_are_listed_newest_first(posted):
    listed = posted.json("message", "list")["items"]

    assert sorted(posted.ids, reverse=True) == [message["message_id"] for message in listed]
    assert posted.ids[0] in posted.ok("message", "list")


def test_messages_of_one_agent_are_listed(posted):
    assert [BOT] == [message["agent"] for message in posted.json("message", "list", "--agent", BOT)["items"]]
    assert [] == posted.json("message", "list", "--postmaster")["items"]


def test_a_message_is_shown_whole_and_stays_unread(posted):
    shown = posted.json("message", "show", posted.ids[0])

    assert ("Grüße", "unread", "192.0.2.1", "Hi.") == (
        shown["subject"], shown["status"], shown["envelope"]["remote_ip"], shown["text"].strip(),
    )  # fmt: skip
    assert "Grüße" in posted.ok("message", "show", posted.ids[0])


def test_a_messages_bytes_are_written_as_they_are_kept(posted):
    done = posted.process("message", "raw", posted.ids[0])

    assert (0, b"") == (done.returncode, done.stderr)
    assert done.stdout.startswith(b"Return-Path: <ana@example.com>\r\n")
    assert done.stdout.endswith(b"\r\n\r\nHi.\r\n")
    assert posted.json("message", "show", posted.ids[0])["raw_size"] == len(done.stdout)


def test_a_trace_tells_how_a_mail_was_judged_and_where_it_goes(posted):
    trace = posted.json("message", "trace", posted.ids[1])

    (delivery,) = trace["deliveries"]
    assert (posted.ids[1], "temperror") == (
        trace["received"]["message_id"],
        trace["received"]["authentication"]["spf"]["result"],
    )
    assert ("pending", "email.received", []) == (delivery["status"], delivery["event_type"], delivery["tried"])
    assert delivery["delivery_id"] in posted.ok("message", "trace", posted.ids[1])


def test_deliveries_are_listed_and_shown(posted):
    (delivery,) = posted.json("delivery", "list")["items"]

    assert (HOOK, posted.ids[1], "pending") == (delivery["agent"], delivery["message_id"], delivery["status"])
    assert delivery | {"tried": []} == posted.json("delivery", "show", delivery["delivery_id"])
    assert delivery["delivery_id"] in posted.ok("delivery", "list")


@pytest.mark.parametrize(
    ("options", "count"),
    [(["--agent", HOOK], 1), (["--agent", BOT], 0), (["--status", "pending"], 1), (["--status", "dead"], 0)],
)
def test_deliveries_are_chosen_by_agent_and_status(posted, options, count):
    assert count == len(posted.json("delivery", "list", *options)["items"])


def test_a_delivery_under_way_is_not_replayed(posted):
    (delivery,) = posted.json("delivery", "list")["items"]

    result = posted.run("delivery", "replay", delivery["delivery_id"])

    assert (1, "mailseal: The delivery is pending; only a delivered or dead one can be replayed\n") == (
        result.exit_code,
        result.stderr,
    )


@pytest.mark.parametrize("way", [lambda delivery: [delivery["delivery_id"]], lambda _: ["--dead", HOOK]])
def test_a_dead_delivery_is_replayed_under_the_same_event(copied, way):
    (before,) = copied.json("delivery", "list")["items"]
    give_up(copied)
    assert "dead" == copied.json("delivery", "show", before["delivery_id"])["status"]

    (replayed,) = copied.json("delivery", "replay", *way(before))["items"]

    assert ("pending", before["event_id"]) == (replayed["status"], replayed["event_id"])


@pytest.mark.parametrize("arguments", [[], ["dlv_0", "--dead", HOOK]])
def test_a_replay_is_of_one_delivery_or_of_all_that_are_dead(posted, arguments):
    result = posted.run("delivery", "replay", *arguments)

    assert (2, True) == (result.exit_code, "either DELIVERY_ID or --dead AGENT" in result.stderr)


def test_an_injected_mail_is_judged_by_the_nameservers_given(cli, tmp_path, nameserver):
    cli.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver()
    file = tmp_path / "mail.eml"
    file.write_bytes(MAIL)

    (message_id,) = cli.inject(file, "--to", BOT, "--mail-from", "ana@example.com", "--ip", "192.0.2.1")

    assert (True, "example.com") == tuple(
        map(cli.json("message", "show", message_id).get, ("verified", "verified_domain"))
    )


def test_injecting_for_nobody_says_so_and_keeps_nothing(cli, mail):
    done = cli.process("inject", str(mail), "--to", BOT, "--to", "nobody@agents.example")

    assert (1, b"", b"mailseal: No agent has this address\n") == (done.returncode, done.stdout, done.stderr)
    assert [] == cli.json("message", "list")["items"]


def test_injecting_for_an_agent_that_takes_verified_mail_only_says_why_not(cli, mail, nameserver):
    cli.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver()
    cli.ok("agent", "update", BOT, "--on-unverified", "reject")

    done = cli.process("inject", str(mail), "--to", BOT, "--mail-from", "eve@evil.example")

    assert (1, b"mailseal: The agent accepts only mail from a verified sender\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "options",
    [["--to", "nonsense"], ["--to", BOT, "--ip", "300.1.1.1"], ["--to", BOT, "--mail-from", "non sense"], []],
)
def test_a_mail_is_not_injected_with_options_that_do_not_fit(cli, mail, options):
    done = cli.process("inject", str(mail), *options)

    assert (True, b"") == (done.returncode in {1, 2}, done.stdout)
    assert b"Traceback" not in done.stderr


def test_what_a_stranger_wrote_does_not_move_the_terminals_cursor(cli, tmp_path):
    file = tmp_path / "mail.eml"
    file.write_bytes(b"Subject: \x1b[2J=?utf-8?q?=1B]0;owned=07?=\nFrom: \x1b <a@b.example>\n\n\x1b[2J\n")
    (message_id,) = cli.inject(file, "--to", BOT)

    shown = cli.ok("message", "list") + cli.ok("message", "show", message_id) + cli.ok("message", "trace", message_id)

    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "list"], ["key", "list", "--user", OWNER], ["domain", "list", "--user", OWNER], ["agent", "list", "--user", OWNER],
        ["agent", "show", BOT], ["message", "list"], ["message", "list", "--limit", "1"], ["delivery", "list"], ["review", "list"], ["message", "list", "--written"], ["init"], ["migrate"],
    ],
)  # fmt: skip
def test_what_prints_data_prints_json_too(posted, arguments):
    assert isinstance(posted.json(*arguments), dict)
    assert not posted.ok(*arguments).startswith("{")


def test_the_log_of_a_command_keeps_out_of_its_output(cli, mail):
    done = cli.process("inject", str(mail), "--to", BOT, "--json")

    assert ["message_ids"] == list(json.loads(done.stdout))
    assert b"accepted" in done.stderr


def give_up(cli):
    """Let every delivery of a relay be dead."""
    store = open_store(sqlite_url(f"{cli.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    store.run(lambda tx: tx.execute(update(deliveries).values(status="dead")))
    store.engine.dispose()
