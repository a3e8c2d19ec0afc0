"""Look up a domain's expected records in DNS and judge each."""

import asyncio
from typing import Final

from relay.directory.dns_check import DnsCheck, judge, unanswered
from relay.directory.dns_records import DnsIdentity, ExpectedRecord, expected_records
from relay.dns.resolver import RdType, Resolver
from relay.errors import DnsUnavailable
from store.records.mail import Domain

_KEYS: Final = "_domainkey"  # below which a domain's DKIM keys are (RFC 6376 §3.6.2.1)


async def look_up_records(
    domain: Domain, *, resolver: Resolver, place: DnsIdentity, sending: bool | None = None
) -> tuple[DnsCheck, ...]:
    """Look up all expected records of *domain* at once; a record without an answer is `unknown`.

    *resolver* should have no cache: owners check as soon as they have published.
    """
    wanted = expected_records(domain, place=place, sending=place.sends if sending is None else sending)
    return tuple(await asyncio.gather(*[_look(domain, each, resolver=resolver, place=place) for each in wanted]))


async def _look(domain: Domain, wanted: ExpectedRecord, *, resolver: Resolver, place: DnsIdentity) -> DnsCheck:
    name, rdtype = _question(domain, wanted)
    try:
        return judge(wanted, await resolver.lookup(name, rdtype), place=place)
    except DnsUnavailable:
        return unanswered(wanted)


def _question(domain: Domain, wanted: ExpectedRecord) -> tuple[str, RdType]:
    if wanted.purpose == "dkim":
        return f"{_KEYS}.{domain.domain}", "TXT"
    return wanted.name, "MX" if wanted.type == "MX" else "TXT"
