"""What DNS says of nameservers, the host and domains."""

import pytest

from relay.checkup.names import check_domains, check_hostname, check_nameserver
from relay.directory.dns_records import DnsIdentity
from relay.dns.resolver import DnsAnswer
from relay.errors import DnsUnavailable
from store.records.mail import Domain
from tests.fakes import FakeResolver

HOST = "mx.here.example"
ADDRESS, BACK = "8.8.4.4", "4.4.8.8.in-addr.arpa"
HERE = {(HOST, "A"): [ADDRESS], (BACK, "PTR"): [HOST]}


class Saying:
    """Gives everybody one answer, or none."""

    def __init__(self, answer):
        self._answer = answer

    async def lookup(self, name, rdtype, *, asker=None):
        if self._answer is None:
            raise DnsUnavailable
        return self._answer


@pytest.mark.parametrize(
    ("answer", "state"),
    [(DnsAnswer(records=(), exists=False), "ok"), (DnsAnswer(records=("192.0.2.1",)), "warning"), (None, "failing")],
)
async def test_a_nameserver_is_judged_by_a_name_that_nobody_can_have(answer, state):
    assert [state] == [each.state for each in await check_nameserver("here", resolver=Saying(answer))]


@pytest.mark.parametrize(
    ("hostname", "zone", "states"),
    [
        (HOST, HERE, ["ok", "ok"]),
        (HOST, {}, ["failing"]),
        (HOST, {(HOST, "A"): ["10.0.0.1"]}, ["warning"]),
        (HOST, {(HOST, "A"): [ADDRESS]}, ["ok", "warning"]),
        (HOST, HERE | {(BACK, "PTR"): ["other.example"]}, ["ok", "warning"]),
        ("localhost", HERE, ["failing"]),
        ("localhost.localdomain", HERE, ["failing"]),
    ],
)
async def test_the_host_needs_an_address_and_the_address_a_name(hostname, zone, states):
    assert states == [each.state for each in await check_hostname(hostname, resolver=FakeResolver(zone))]


@pytest.mark.parametrize(
    ("mx", "txt", "state"),
    [
        (f"10 {HOST}", "mailseal-verify=t", "ok"),
        ("10 other.example", "mailseal-verify=t", "failing"),
        (f"10 {HOST}", "mailseal-verify=u", "warning"),
        (None, "mailseal-verify=t", "failing"),
    ],
)
async def test_a_domain_is_judged_by_where_its_mail_goes_and_its_proof(clock, mx, txt, state):
    domain = Domain(
        domain="agents.example",
        user_id="usr_1",
        token="t",
        verified=True,
        verified_at=clock.now(),
        is_shared=False,
        created_at=clock.now(),
    )
    zone = {("agents.example", "MX"): [mx] if mx else [], ("_mailseal.agents.example", "TXT"): [txt]}
    found = await check_domains([domain], place=DnsIdentity(hostname=HOST), resolver=FakeResolver(zone))

    assert [state] == [each.state for each in found]
    silent = FakeResolver(zone, down=["agents.example", "_mailseal.agents.example"])
    assert ["warning"] == [
        each.state for each in await check_domains([domain], place=DnsIdentity(hostname=HOST), resolver=silent)
    ]


async def test_no_domain_is_no_matter():
    found = await check_domains([], place=DnsIdentity(hostname=HOST), resolver=FakeResolver({}))

    assert ["skipped"] == [each.state for each in found]
