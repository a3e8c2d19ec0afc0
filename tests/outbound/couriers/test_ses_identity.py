"""A domain becomes an identity of SES, and what is to be published for it is told."""

import asyncio

import boto3
import pytest
from moto.server import ThreadedMotoServer

from relay.errors import CourierBusy, Misconfigured
from relay.outbound.couriers.ses.identity import ensure_identity
from tests.aws import pretend
from tests.outbound.lines import SpokenSes

DOMAIN = "agents.example"
SEEN = {"VerifiedForSendingStatus": True, "DkimAttributes": {"Status": "SUCCESS", "Tokens": ["abc", "def"]}}
WAITING = {"VerifiedForSendingStatus": False, "DkimAttributes": {"Status": "PENDING", "Tokens": ["abc"]}}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    pretend(monkeypatch)


async def ask(told):
    """What is said of a domain that is an identity already."""
    async with SpokenSes(identities={DOMAIN: told}) as ses:
        url = f"http://127.0.0.1:{ses.port}"
        return await asyncio.to_thread(ensure_identity, DOMAIN, region="eu-west-1", endpoint_url=url)


def test_a_domain_is_made_an_identity_of_a_whole_ses():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        made = ensure_identity(DOMAIN, region="eu-west-1", endpoint_url=url)
        client = boto3.client("sesv2", region_name="eu-west-1", endpoint_url=url)
        assert [DOMAIN] == [each["IdentityName"] for each in client.list_email_identities()["EmailIdentities"]]
        client.close()
    finally:
        server.stop()
    assert (DOMAIN, False, False) == (made.domain, made.is_verified, made.are_seen)


async def test_one_that_is_there_already_tells_its_records():
    found = await ask(SEEN)

    assert (True, True) == (found.is_verified, found.are_seen)
    assert (
        (f"abc._domainkey.{DOMAIN}", "abc.dkim.amazonses.com"),
        (f"def._domainkey.{DOMAIN}", "def.dkim.amazonses.com"),
    ) == found.records


async def test_one_whose_records_are_not_seen_yet_says_so():
    found = await ask(WAITING)

    assert (False, False, 1) == (found.is_verified, found.are_seen, len(found.records))


async def test_a_region_with_a_zone_of_its_own_is_believed():
    zone = {"Tokens": ["abc"], "SigningHostedZone": "dkim.eu-west-9.amazonses.com"}

    assert "abc.dkim.eu-west-9.amazonses.com" == (await ask({"DkimAttributes": zone})).records[0][1]


async def test_an_identity_without_dkim_has_no_records():
    assert () == (await ask({})).records


def test_a_provider_that_is_not_there_is_said():
    with pytest.raises(CourierBusy, match="SES"):
        ensure_identity(DOMAIN, region="eu-west-1", endpoint_url="http://127.0.0.1:1")


def test_without_a_region_it_says_what_to_set():
    with pytest.raises(Misconfigured, match="MAILSEAL_SES_REGION"):
        ensure_identity(DOMAIN, region=None, endpoint_url=None)
