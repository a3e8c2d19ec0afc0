"""The whole step over real sockets: a mail, a zone on the loopback, a verdict."""

from datetime import UTC, datetime

import pytest

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.demo.zone_server import ZoneServer
from relay.dns.cache import CachingResolver
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import MAIL, envelope, signed, zone

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)


async def judged(mail, *, failing=(), sent_by=None):
    server = ZoneServer(zone(), failing=failing)
    await server.start()
    resolver = CachingResolver([server.address])
    try:
        body = mail[header_end(mail) :]
        return await authenticate(
            sent_by or envelope(),
            split_headers(mail),
            lambda: [body],
            resolver=resolver,
            keys=KeyCache(),
            now=NOW,
            body_size=len(body),
        ), server
    finally:
        await resolver.close()
        await server.stop()


async def test_a_signed_mail_is_verified_with_three_questions():
    found, server = await judged(signed())

    assert (True, "pass", "pass", "pass") == (
        found.verified,
        found.spf.result,
        found.dkim[0].result,
        found.dmarc.result,
    )
    assert {("example.com", "TXT"), ("s1._domainkey.example.com", "TXT"), ("_dmarc.example.com", "TXT")} == set(
        server.asked
    )
    assert 3 == len(server.asked)


async def test_a_forged_mail_is_not():
    found, _ = await judged(MAIL, sent_by=envelope("x@evil.example", ip="198.51.100.1"))

    assert (False, "none", "fail") == (found.verified, found.spf.result, found.dmarc.result)


@pytest.mark.parametrize("name", ["_dmarc.example.com", "s1._domainkey.example.com"])
async def test_servfail_is_an_outage(name):
    found, _ = await judged(signed(), failing=[name], sent_by=envelope("x@evil.example", ip="198.51.100.1"))

    assert (name.startswith("_dmarc"), not name.startswith("_dmarc")) == (found.verified, found.undecided)
