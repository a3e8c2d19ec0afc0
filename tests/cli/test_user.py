"""Users, keys, domains and agents by hand."""

import pytest

from tests.cli.conftest import BOT, DOMAIN, HOOK, OWNER


def test_a_user_is_made_with_a_key(fresh):
    made = fresh.json("user", "create", OWNER, "--name", "Ana")

    assert {"user_id", "email", "api_key"} == made.keys()
    assert (OWNER, True, True) == (made["email"], made["user_id"].startswith("usr_"), made["api_key"].startswith("mk_"))


def test_a_user_made_twice_is_the_same_with_one_more_key(fresh):
    first, second = fresh.json("user", "create", OWNER), fresh.json("user", "create", "Ana@Owner.Example")

    assert (first["user_id"], OWNER) == (second["user_id"], second["email"])
    assert first["api_key"] != second["api_key"]
    assert 2 == len(fresh.json("key", "list", "--user", OWNER)["items"])


def test_users_are_listed(fresh):
    fresh.ok("user", "create", OWNER, "--name", "Ana")

    (listed,) = fresh.json("user", "list")["items"]

    assert (OWNER, "Ana") == (listed["email"], listed["name"])


def test_a_key_is_shown_once(cli):
    made = cli.json("key", "create", "--user", OWNER, "--name", "laptop")

    assert made["api_key"] not in cli.ok("key", "list", "--user", OWNER, "--json")
    assert made["prefix"] == made["api_key"][:12]


def test_a_key_can_be_for_one_agent_and_for_little(cli):
    made = cli.json("key", "create", "--user", OWNER, "--agent", BOT, "--scope", "admin", "--scope", "read")

    assert (BOT, ["read", "admin"]) == (made["agent"], made["scopes"])
    assert BOT in cli.ok("key", "list", "--user", OWNER)


def test_a_key_may_do_everything_unless_told_otherwise(cli):
    made = cli.json("key", "create", "--user", OWNER)

    assert (None, ["read", "work", "send", "admin"]) == (made["agent"], made["scopes"])


def test_a_scope_that_is_none_makes_no_key(cli):
    before = cli.json("key", "list", "--user", OWNER)

    assert 2 == cli.run("key", "create", "--user", OWNER, "--scope", "root").exit_code
    assert before == cli.json("key", "list", "--user", OWNER)


def test_a_revoked_key_is_gone(cli):
    made = cli.json("key", "create", "--user", OWNER)

    cli.ok("key", "revoke", made["key_id"], "--user", OWNER, "--yes")

    assert made["key_id"] not in [key["key_id"] for key in cli.json("key", "list", "--user", OWNER)["items"]]


def test_a_domain_is_added_with_the_records_to_publish(fresh):
    fresh.ok("user", "create", OWNER)

    added = fresh.json("domain", "add", DOMAIN, "--user", OWNER)

    assert (False, ["TXT", "MX"]) == (added["verified"], [record["type"] for record in added["records"]])
    assert f"mailseal-verify={added['token']}" == added["records"][0]["value"]
    assert added["token"] in fresh.ok("domain", "add", DOMAIN, "--user", OWNER)


def test_a_domain_is_verified_by_dns(fresh, nameserver):
    fresh.ok("user", "create", OWNER)
    token = fresh.json("domain", "add", DOMAIN, "--user", OWNER)["token"]
    proof = {(f"_mailseal.{DOMAIN}", "TXT"): [f"mailseal-verify={token}"]}
    fresh.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver(proof)

    assert fresh.json("domain", "verify", DOMAIN, "--user", OWNER)["verified"]


def test_a_domain_without_proof_stays_unverified(fresh, nameserver):
    fresh.ok("user", "create", OWNER)
    fresh.ok("domain", "add", DOMAIN, "--user", OWNER)
    fresh.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver({})

    result = fresh.run("domain", "verify", DOMAIN, "--user", OWNER)

    assert (1, "mailseal: no TXT record mailseal-verify=") == (result.exit_code, result.stderr[:40])
    assert [False] == [domain["verified"] for domain in fresh.json("domain", "list", "--user", OWNER)["items"]]


def test_the_operators_word_verifies_without_dns(fresh):
    fresh.ok("user", "create", OWNER)
    fresh.ok("domain", "add", DOMAIN, "--user", OWNER)

    assert fresh.json("domain", "verify", DOMAIN, "--user", OWNER, "--force")["verified"]


def test_a_domain_with_agents_is_not_removed(cli):
    result = cli.run("domain", "remove", DOMAIN, "--user", OWNER, "--yes")

    assert (1, f"mailseal: {DOMAIN} still has agents: delete them first\n") == (result.exit_code, result.stderr)


def test_a_domain_without_agents_is_removed(cli):
    cli.ok("agent", "delete", BOT, "--yes")
    cli.ok("agent", "delete", HOOK, "--yes")

    cli.ok("domain", "remove", DOMAIN, "--user", OWNER, "--yes")

    assert [] == cli.json("domain", "list", "--user", OWNER)["items"]


def test_an_agent_is_made_and_shown(cli):
    made = cli.json(
        "agent", "create", "New@agents.example", "--user", OWNER, "--poll", "--name", "N", "--on-unverified", "reject"
    )

    assert ("new@agents.example", "poll", "N", "reject", True) == (
        made["address"], made["mode"], made["name"], made["on_unverified"], made["domain_verified"],
    )  # fmt: skip
    assert made == cli.json("agent", "show", "new@agents.example")


def test_agents_are_listed(cli):
    listed = cli.json("agent", "list", "--user", OWNER)["items"]

    assert [BOT, HOOK, "postmaster@agents.example"] == [agent["address"] for agent in listed]
    assert "https://hook.example/" in cli.ok("agent", "list", "--user", OWNER)


def test_a_secret_is_shown_only_when_asked_for(cli):
    (secret,) = cli.json("agent", "show", BOT, "--secret")["secrets"]

    assert secret["secret"].startswith("whsec_")
    assert "whsec_" not in cli.ok("agent", "show", BOT, "--json")


def test_an_agent_is_changed_and_what_is_not_named_stays(cli):
    changed = cli.json("agent", "update", BOT, "--webhook", "https://new.example/")

    assert ("webhook", "https://new.example/", "deliver") == (
        changed["mode"],
        changed["webhook_url"],
        changed["on_unverified"],
    )
    lists = [
        cli.json("agent", "update", BOT, *given)["answer_lists"]
        for given in (["--answer-lists"], [], ["--no-answer-lists"])
    ]
    assert [True, True, False] == lists
    assert ("poll", "x") == tuple(map(cli.json("agent", "update", BOT, "--poll", "--name", "x").get, ("mode", "name")))


def test_a_network_that_the_operator_opened_takes_webhooks(cli):
    cli.settings["MAILSEAL_WEBHOOK_ALLOW_CIDRS"] = "127.0.0.0/8"

    made = cli.json("agent", "create", "in@agents.example", "--user", OWNER, "--webhook", "http://127.0.0.1:9000/")

    assert "http://127.0.0.1:9000/" == made["webhook_url"]


@pytest.mark.parametrize("ways", [[], ["--poll", "--webhook", "https://hook.example/"]])
def test_an_agent_has_one_way_to_get_its_mail(cli, ways):
    result = cli.run("agent", "create", "new@agents.example", "--user", OWNER, *ways)

    assert (2, True) == (result.exit_code, "either --webhook URL or --poll" in result.stderr)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["agent", "show", "nobody@agents.example"], "No such agent"),
        (["agent", "show", "nonsense"], "not an address: 'nonsense'"),
        (["agent", "delete", "nobody@agents.example"], "No such agent"),
        (["agent", "update", "nobody@agents.example", "--poll"], "No such agent"),
        (["agent", "create", BOT, "--user", OWNER, "--poll"], f"{BOT} is taken by another agent"),
        (["agent", "create", "a@other.example", "--user", OWNER, "--poll"], "other.example is not a domain of this user: claim it first"),
        (["agent", "create", "a@agents.example", "--user", OWNER, "--webhook", "http://a.example/"], "webhook_url: the URL is not https"),
        (["agent", "create", "a@agents.example", "--user", "x@y.example", "--poll"], "no user with the email x@y.example"),
        (["agent", "list", "--user", "x@y.example"], "no user with the email x@y.example"),
        (["user", "create", "nonsense"], "not an email address: 'nonsense'"),
        (["key", "revoke", "key_0", "--user", OWNER, "--yes"], "No such API key"),
        (["key", "create", "--user", OWNER, "--agent", "nobody@agents.example"], "No such agent"),
        (["key", "create", "--user", OWNER, "--agent", "nonsense"], "not an address: 'nonsense'"),
        (["key", "create", "--user", OWNER, "--name", "a\nb"], "a key's name has at most 200 printable characters"),
        (["domain", "add", "localhost", "--user", OWNER], "a domain has at least two labels: 'localhost'"),
        (["domain", "verify", "other.example", "--user", OWNER], "other.example is not a domain of this user: claim it first"),
        (["message", "list", "--agent", "nobody@agents.example"], "No such agent"),
        (["message", "show", "msg_0"], "No such message"),
        (["message", "raw", "msg_0"], "No such message"),
        (["message", "trace", "msg_0"], "No such message"),
        (["delivery", "show", "dlv_0"], "No such delivery"),
        (["delivery", "replay", "dlv_0"], "No such delivery"),
        (["delivery", "replay", "--dead", "nobody@agents.example"], "No such agent"),
        (["delivery", "list", "--agent", "nobody@agents.example"], "No such agent"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_status_one(cli, arguments, why):
    result = cli.run(*arguments)

    assert (1, "") == (result.exit_code, result.stdout)
    assert (f"mailseal: {why}\n", 1) == (result.stderr, result.stderr.count("\n"))


def test_what_a_later_try_may_do_ends_with_status_75(cli):
    result = cli.run("domain", "verify", DOMAIN, "--user", OWNER)

    why = "mailseal: no nameserver answered for _mailseal.agents.example\n"
    assert (75, why) == (result.exit_code, result.stderr)
