"""Every case of the published SPF suites."""

from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address

import pytest

from relay.auth.spf import Sender, check_host, explain
from tests.auth.suites import SuiteResolver, documents, needs_suites

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
FILES = ("spf/rfc7208-tests.yml", "spf/blitirispf-tests.yml")


def cases():
    for path in FILES:
        for document in documents(path):
            for name, case in document["tests"].items():
                label = f"{document['description']}: {name}"
                yield pytest.param(path, case, document["zonedata"], id=label)


def sender_of(case):
    local, _, domain = case["mailfrom"].rpartition("@")
    helo = case.get("helo", "")
    ip = ip_address(case["host"])
    ip = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
    return Sender(local=local or "postmaster", domain=domain or helo, ip=ip, helo=helo)


CASES = list(cases())
EXPLAINED = [case for case in CASES if "explanation" in case.values[1]]


@needs_suites
@pytest.mark.parametrize(("path", "case", "zone"), CASES)
async def test_a_published_case_has_a_listed_result(path, case, zone):
    resolver, sender = SuiteResolver(zone), sender_of(case)
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]

    # The second suite uses names of one label throughout, which RFC 7208 §4.3 does not evaluate.
    outcome = await check_host(sender, resolver=resolver, single_labels="blitiri" in path)

    assert outcome.result in wanted, outcome.detail


@needs_suites
@pytest.mark.parametrize(("path", "case", "zone"), EXPLAINED)
async def test_a_published_explanation_is_expanded(path, case, zone):
    wanted = case["explanation"]
    resolver, sender = SuiteResolver(zone), sender_of(case)
    outcome = await check_host(sender, resolver=resolver)

    text = await explain(outcome, sender, resolver=resolver, receiver="mx.example", now=NOW)

    assert (None if wanted == "DEFAULT" else wanted) == text
