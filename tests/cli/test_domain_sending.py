"""A domain is set up for sending, where there is a provider to do so at."""

import asyncio
import json

import pytest

from tests.aws import pretend
from tests.cli.conftest import DOMAIN, OWNER
from tests.outbound.couriers.test_ses_identity import WAITING
from tests.outbound.lines import SpokenSes

COMMAND = ("domain", "sending", DOMAIN, "--user", OWNER)


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    pretend(monkeypatch)


def ses(port=1):
    url = f"http://127.0.0.1:{port}"
    return {"MAILSEAL_OUTBOUND": "ses", "MAILSEAL_SES_REGION": "eu-west-1", "MAILSEAL_SES_ENDPOINT_URL": url}


async def ask(cli, told, *options):
    """What the command prints where SES has told so of the domain."""
    async with SpokenSes(identities={DOMAIN: told}) as provider:
        cli.settings |= ses(provider.port)
        return await asyncio.to_thread(cli.ok, *COMMAND, *options)


async def test_the_records_are_shown_as_those_of_a_domain_are(cli):
    shown = json.loads(await ask(cli, WAITING, "--json"))

    known = cli.json("domain", "show", DOMAIN, "--user", OWNER)["records"][0]
    assert [set(known)] == [set(record) for record in shown["records"]]
    assert ("CNAME", "abc._domainkey.agents.example", "abc.dkim.amazonses.com", "dkim", "pending") == tuple(
        shown["records"][0][name] for name in ("type", "name", "value", "purpose", "status")
    )
    assert (DOMAIN, False) == (shown["domain"], shown["verified"])


async def test_the_records_are_shown_to_eyes_too(cli):
    assert "abc._domainkey.agents.example" in await ask(cli, WAITING)


async def test_an_identity_without_dkim_says_what_to_do(cli):
    assert "enable Easy DKIM" in await ask(cli, {})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set it to ses or smtp first"),
        ({"MAILSEAL_OUTBOUND": "smtp", "MAILSEAL_SMTP_OUT_HOST": "out.example"}, "mailseal domain show agents.example"),
    ],
)
def test_where_there_is_no_provider_it_says_what_to_do_instead(cli, settings, words):
    result = cli.run(*COMMAND, **settings)

    assert (1, True) == (result.exit_code, words in result.stderr)


def test_a_domain_of_somebody_else_is_not_there(cli):
    cli.ok("user", "create", "bo@other.example")

    for domain, user in (("other.example", OWNER), (DOMAIN, "bo@other.example")):
        result = cli.run("domain", "sending", domain, "--user", user, **ses())
        assert (1, f"mailseal: {domain} is not a domain of this user: claim it first\n") == (
            result.exit_code,
            result.stderr,
        )


def test_a_provider_that_is_not_there_ends_it_with_its_words(cli):
    result = cli.run(*COMMAND, "--json", **ses())

    assert (75, "", True) == (result.exit_code, result.stdout, result.stderr.startswith("mailseal: SES: "))
