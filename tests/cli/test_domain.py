"""Domains by hand: what to publish, and how it is seen."""

import pytest

from tests.cli.conftest import BOT, DOMAIN, OWNER

PROOF = f"_mailseal.{DOMAIN}"


@pytest.fixture
def added(empty):
    """The claim of a domain, and the program that made it."""
    empty.ok("init")
    empty.ok("user", "create", OWNER)
    empty.added = empty.json("domain", "add", DOMAIN, "--user", OWNER)
    return empty


@pytest.fixture
def published(added, nameserver):
    """The same, with what it asked for in DNS, and more."""

    def start(**changes):
        records = {(record["name"], record["type"]): [record["value"]] for record in added.added["records"]}
        added.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver(records | changes.get("records", {}))
        return added

    return start


def statuses(document):
    return {record["purpose"]: record["status"] for record in document["records"]}


def test_a_claim_shows_records_that_were_not_looked_for(added):
    assert {"ownership": "pending", "receiving": "pending"} == statuses(added.added)
    assert added.added == added.json("domain", "show", DOMAIN, "--user", OWNER)


def test_a_claim_again_is_the_same(added):
    assert added.added == added.json("domain", "add", "AGENTS.example.", "--user", OWNER)


def test_verifying_shows_how_each_record_was_seen(published):
    cli = published(records={(DOMAIN, "MX"): ["5 mx.elsewhere.example", "10 mx.here.example"]})

    document = cli.json("domain", "verify", DOMAIN, "--user", OWNER)

    assert (True, {"ownership": "verified", "receiving": "mismatch"}) == (document["verified"], statuses(document))
    assert ["10 mx.here.example", "5 mx.elsewhere.example"] == sorted(document["records"][1]["found"])
    told = cli.ok("domain", "show", DOMAIN, "--user", OWNER)
    assert "has another value: " in told
    assert "5 mx.elsewhere.example" in told


def test_a_record_that_is_gone_says_since_when(published, nameserver):
    cli = published()
    cli.ok("domain", "verify", DOMAIN, "--user", OWNER)
    cli.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver({})

    document = cli.json("domain", "verify", DOMAIN, "--user", OWNER)

    assert (True, {"ownership": "missing", "receiving": "missing"}) == (document["verified"], statuses(document))
    since = document["records"][0]["missing_since"]
    assert f"TXT {PROOF} is missing since {since}" in cli.ok("domain", "show", DOMAIN, "--user", OWNER)


def test_what_is_there_instead_of_the_proof_is_told(published):
    cli = published(records={(PROOF, "TXT"): ["mailseal-verify=other"]})

    result = cli.run("domain", "verify", DOMAIN, "--user", OWNER)

    assert (1, True) == (result.exit_code, result.stderr.endswith(f"at {PROOF}: there is mailseal-verify=other\n"))
    assert "mismatch" == statuses(cli.json("domain", "show", DOMAIN, "--user", OWNER))["ownership"]


def test_dns_that_does_not_answer_changes_nothing(added):
    result = added.run("domain", "verify", DOMAIN, "--user", OWNER)

    assert (75, f"mailseal: no nameserver answered for {PROOF}\n") == (result.exit_code, result.stderr)
    assert added.added == added.json("domain", "show", DOMAIN, "--user", OWNER)


def test_the_list_tells_how_records_stand(published):
    cli = published()
    cli.ok("domain", "add", "other.example", "--user", OWNER)
    cli.ok("domain", "verify", DOMAIN, "--user", OWNER)

    listed = cli.json("domain", "list", "--user", OWNER)["items"]

    assert [(DOMAIN, {"verified"}), ("other.example", {"pending"})] == [
        (document["domain"], set(statuses(document).values())) for document in listed
    ]
    told = cli.ok("domain", "list", "--user", OWNER)
    assert "ownership verified, receiving verified" in told
    assert "ownership pending, receiving pending" in told


@pytest.mark.parametrize(
    ("words", "outbound", "count"),
    [([], "none", 2), (["--sending"], "none", 5), ([], "ses", 5), (["--no-sending"], "ses", 2)],
)
def test_records_for_sending_come_where_mail_is_sent_or_when_asked_for(added, words, outbound, count):
    added.settings["MAILSEAL_OUTBOUND"] = outbound

    for command in ("add", "show"):
        assert count == len(added.json("domain", command, DOMAIN, "--user", OWNER, *words)["records"])
    assert count == len(added.json("domain", "list", "--user", OWNER, *words)["items"][0]["records"])


def test_records_for_sending_are_looked_at_when_asked_for(published):
    cli = published(records={(DOMAIN, "TXT"): ["v=spf1 mx -all"], (f"a._domainkey.{DOMAIN}", "TXT"): ["v=DKIM1; p=x"]})

    document = cli.json("domain", "verify", DOMAIN, "--user", OWNER, "--sending")

    assert {"spf": "verified", "dkim": "verified", "dmarc": "pending"}.items() <= statuses(document).items()


def test_the_operators_word_is_not_how_a_record_was_seen(added):
    document = added.json("domain", "verify", DOMAIN, "--user", OWNER, "--force")

    assert (True, {"ownership": "pending", "receiving": "pending"}) == (document["verified"], statuses(document))


def test_a_domain_of_another_is_not_shown(cli):
    cli.ok("user", "create", "eve@stranger.example")

    result = cli.run("domain", "show", DOMAIN, "--user", "eve@stranger.example")

    assert (1, f"mailseal: {DOMAIN} is not a domain of this user: claim it first\n") == (
        result.exit_code,
        result.stderr,
    )
    assert BOT in cli.ok("agent", "list", "--user", OWNER)
