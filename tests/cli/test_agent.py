"""Agents by hand: slugs, events, holds and secrets."""

import pytest

from tests.cli.conftest import BOT, HOOK, OWNER

SHARED = {"MAILSEAL_SHARED_DOMAIN": "shared.example"}


def test_an_agent_is_made_from_a_slug_before_any_daemon_has_run(cli):
    cli.settings |= SHARED

    made = cli.json("agent", "create", "--slug", "support-bot", "--user", OWNER, "--poll")

    assert ("support-bot@shared.example", True) == (made["address"], made["domain_verified"])


@pytest.mark.parametrize("words", [[], [BOT, "--slug", "bot"]])
def test_an_agent_has_one_place(cli, words):
    result = cli.run("agent", "create", *words, "--user", OWNER, "--poll")

    assert (2, True) == (result.exit_code, "either ADDRESS or --slug SLUG" in result.stderr)


@pytest.mark.parametrize(
    ("words", "shared", "why"),
    [
        (["--slug", "bot"], {}, "This relay has no shared domain: give a full address on a domain of yours"),
        (["--slug", "postmaster"], SHARED, "slug: postmaster is reserved"),
        (["--slug", "A"], SHARED, "slug: 1 to 64 of a-z, 0-9, -, _ and single dots between them"),
        (["--slug", ""], SHARED, "slug: 1 to 64 of a-z, 0-9, -, _ and single dots between them"),
        (["*@shared.example"], SHARED, "slug: 1 to 64 of a-z, 0-9, -, _ and single dots between them"),
        ([""], SHARED, "not an address: ''"),
        (["a@agents.example", "--events", "email.lost"], {}, "events: email.lost is no event type"),
        (["a@agents.example", "--name", "a\nb"], {}, "name: at most 200 printable characters"),
    ],
)
def test_an_agent_that_cannot_be_is_one_line(cli, words, shared, why):
    cli.settings |= shared

    result = cli.run("agent", "create", *words, "--user", OWNER, "--poll")

    assert (1, f"mailseal: {why}\n") == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    "words",
    [["--events", "email.sent,email.failed"], ["--events", "email.sent", "--events", " email.failed ,email.sent"]],
)
def test_events_are_chosen(cli, words):
    made = cli.json("agent", "create", "new@agents.example", "--user", OWNER, "--poll", *words)
    changed = cli.json("agent", "update", BOT, *words)

    assert [["email.sent", "email.failed"]] * 2 == [made["events"], changed["events"]]
    assert ["email.received"] == cli.json("agent", "show", HOOK)["events"]


def test_an_agent_goes_back_to_the_url_it_had(cli):
    cli.ok("agent", "update", HOOK, "--poll")

    changed = cli.json("agent", "update", HOOK, "--mode", "webhook")

    assert ("webhook", "https://hook.example/") == (changed["mode"], changed["webhook_url"])


@pytest.mark.parametrize("words", [["--webhook", "https://x.example/"], ["--mode", "webhook"]])
def test_an_agent_cannot_be_told_to_poll_and_not_to(cli, words):
    assert 2 == cli.run("agent", "update", BOT, "--poll", *words).exit_code


def test_webhook_mode_needs_a_url(cli):
    result = cli.run("agent", "update", BOT, "--mode", "webhook")

    assert (1, "mailseal: webhook mode needs a webhook_url\n") == (result.exit_code, result.stderr)


def test_a_person_is_asked_or_not_and_what_is_not_named_stays(cli):
    on = cli.json("agent", "hitl", BOT, "--on", "--ttl-seconds", "60", "--expiration-action", "approve")
    off = cli.json("agent", "hitl", BOT, "--off")

    assert [(True, 60, "approve"), (False, 60, "approve")] == [tuple(agent["hitl"].values()) for agent in (on, off)]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--on", "--ttl-seconds", "0"],
        ["--on", "--ttl-seconds", "604801"],
        ["--on", "--expiration-action", "ask"],
    ],
)
def test_a_wish_for_asking_that_does_not_fit_is_refused(cli, words):
    assert 2 == cli.run("agent", "hitl", BOT, *words).exit_code


def test_a_secret_is_rotated_and_the_one_before_stays_for_a_day(cli):
    (old,) = cli.json("agent", "secret", BOT)["secrets"]

    new, before = cli.json("agent", "secret", BOT, "--rotate")["secrets"]

    assert (old["secret"], True, None) == (before["secret"], before["expires_at"] is not None, new["expires_at"])
    assert [new, before] == cli.json("agent", "secret", BOT)["secrets"]
    assert new["secret"] in cli.ok("agent", "secret", BOT)


def test_three_secrets_are_valid_at_most(cli):
    made = [cli.json("agent", "secret", BOT, "--rotate")["secrets"][0]["secret"] for _ in range(4)]

    assert made[:0:-1] == [secret["secret"] for secret in cli.json("agent", "secret", BOT)["secrets"]]


@pytest.mark.parametrize("words", [["secret"], ["secret", "--rotate"], ["hitl", "--on"]])
def test_an_agent_that_is_not_there_is_not_found(cli, words):
    result = cli.run("agent", *words, "nobody@agents.example")

    assert (1, "mailseal: No such agent\n") == (result.exit_code, result.stderr)
