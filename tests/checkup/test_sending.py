"""What a provider says of its account, asked over a real line."""

import socket

import pytest

from relay.checkup.sending import check_sending
from relay.settings import load
from tests.aws import pretend
from tests.outbound.lines import SpokenSes

GOOD = {"SendingEnabled": True, "ProductionAccessEnabled": True}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    pretend(monkeypatch)


def settings(port, **more):
    chosen = {"OUTBOUND": "ses", "SES_REGION": "eu-west-1", "SES_ENDPOINT_URL": f"http://127.0.0.1:{port}"} | more
    return load({f"MAILSEAL_{name}": value for name, value in chosen.items()})


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (GOOD, "ok"),
        (GOOD | {"ProductionAccessEnabled": False}, "warning"),
        (GOOD | {"SendingEnabled": False}, "failing"),
    ],
)
async def test_an_account_may_send_to_everybody(account, state):
    async with SpokenSes(account=account) as ses:
        assert [state] == [each.state for each in await check_sending(settings(ses.port), domains=[])]


async def test_domains_that_are_not_proved_to_the_provider_are_named():
    async with SpokenSes(account=GOOD, identities=["agents.example"]) as ses:
        chosen = settings(ses.port, OUTBOUND_FROM_DOMAIN="out.example")
        found = await check_sending(chosen, domains=["agents.example", "out.example", "new.example"])

    assert [("SES", "ok"), ("SES out.example", "warning"), ("SES new.example", "warning")] == [
        (each.name, each.state) for each in found
    ]


async def test_a_provider_that_refuses_is_quoted():
    async with SpokenSes() as ses:
        [found] = await check_sending(settings(ses.port), domains=[])

    assert ("failing", True, True) == (found.state, "AccessDenied" in found.seen, "ses:GetAccount" in found.remedy)


async def test_a_provider_that_is_not_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert ["failing"] == [each.state for each in await check_sending(settings(port), domains=[])]


@pytest.mark.parametrize("more", [{}, {"OUTBOUND": "smtp", "SMTP_OUT_HOST": "out.example"}])
async def test_where_there_is_no_account_none_is_asked(more):
    chosen = load({f"MAILSEAL_{name}": value for name, value in more.items()})

    assert ["skipped"] == [each.state for each in await check_sending(chosen, domains=[])]


async def test_a_region_that_nobody_names_is_said():
    [found] = await check_sending(load({"MAILSEAL_OUTBOUND": "ses"}), domains=[])

    assert ("failing", True) == (found.state, "region" in found.seen)
