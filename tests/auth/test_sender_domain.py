"""What DNS tells of the sender beside the verdict: a domain that takes no answers, and the peer's name."""

import asyncio

import pytest

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.dns.resolver import RELAY
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import envelope, signed, zone
from tests.auth.test_over_dns import NOW
from tests.fakes import FakeResolver

PEER = "1.2.0.192.in-addr.arpa"


async def detail(records=(), *, sent_by=None, resolver=None, describes=True):
    mail = signed()
    body = mail[header_end(mail) :]
    found = await authenticate(
        sent_by or envelope(ip="192.0.2.1"),
        split_headers(mail),
        lambda: [body],
        resolver=resolver or FakeResolver(zone() | dict(records)),
        keys=KeyCache(),
        now=NOW,
        body_size=len(body),
        describes=describes,
    )
    assert found.verified
    return found.spf.detail


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({("example.com", "MX"): ["0 ."]}, "the domain of MAIL FROM accepts no mail (null MX)"),
        ({("example.com", "MX"): ["0 "]}, "the domain of MAIL FROM accepts no mail (null MX)"),
        (
            {(PEER, "PTR"): ["Mx.Example.com"], ("mx.example.com", "A"): ["192.0.2.1"]},
            "the peer's name is mx.example.com",
        ),
        ({(PEER, "PTR"): ["mx.example.com"], ("mx.example.com", "A"): ["192.0.2.9"]}, "no confirmed name"),
        ({(PEER, "PTR"): ["mx\r\nx.example"], ("mx\r\nx.example", "A"): ["192.0.2.1"]}, "no confirmed name"),
        ({}, "the peer's address has no confirmed name"),
    ],
)
async def test_the_detail_of_spf_tells(records, words):
    found = await detail(records)

    assert words in found
    assert found.isprintable()


@pytest.mark.parametrize("records", [{("example.com", "MX"): ["10 mx.example.com"]}, {}])
async def test_a_domain_that_takes_mail_has_no_word_said(records):
    assert "MAIL FROM" not in await detail(records)


async def test_a_domain_that_does_not_exist_is_told():
    assert "the domain of MAIL FROM does not exist" in await detail(
        sent_by=envelope("a@nosuch.invalid", ip="192.0.2.1")
    )


async def test_a_null_sender_has_no_domain():
    assert "MAIL FROM" not in await detail(sent_by=envelope(None, ip="192.0.2.1", helo="mx.example.com"))


async def test_without_the_option_dns_is_not_asked():
    resolver = FakeResolver(zone())
    assert "peer" not in (await detail(resolver=resolver, describes=False)).replace("matches the peer", "")
    assert (PEER, "PTR") not in resolver.asked


async def test_a_silent_reverse_zone_does_not_hold_up_the_verdict():
    class SilentPointers(FakeResolver):
        async def lookup(self, name, rdtype, *, asker=RELAY):
            if rdtype == "PTR":
                await asyncio.Event().wait()
            return await super().lookup(name, rdtype, asker=asker)

    async with asyncio.timeout(15):  # the budget of a mail is 20 s
        assert "confirmed" not in await detail(resolver=SilentPointers(zone()))


async def test_when_dns_does_not_answer_no_word_is_said():
    resolver = FakeResolver(zone(), down=[PEER])

    assert "name" not in await detail(resolver=resolver)
