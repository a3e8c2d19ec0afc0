"""Check DNS: the nameservers, this host's addresses and their names, and the records of verified domains."""

import asyncio
import secrets
from collections.abc import Sequence
from ipaddress import ip_address

from relay.checkup.listeners import addresses
from relay.directory.check_domain import look_up_records
from relay.directory.dns_check import DnsCheck
from relay.directory.dns_records import DnsIdentity, expected_records
from relay.dns.resolver import DnsAnswer, Resolver
from relay.errors import DnsUnavailable
from relay.finding import Finding, failing, ok, skipped, warning
from store.records.mail import Domain


async def check_nameserver(name: str, *, resolver: Resolver) -> list[Finding]:
    """Check that a nameserver answers, and answers that a name that cannot exist does not (RFC 6761 §6.4)."""
    label = f"nameserver {name}"
    try:
        answer: DnsAnswer = await resolver.lookup(f"{secrets.token_hex(8)}.invalid", "A")
    except DnsUnavailable:
        remedy = "Set MAILSEAL_DNS_NAMESERVERS to one that works: without it no sender is verified, and mail may wait."
        return [failing(label, "no answer, or a failure", remedy)]
    if answer.records:
        remedy = "Use another resolver: this one invents addresses, so that every domain seems to exist."
        return [warning(label, "it returns an address for a name that does not exist", remedy)]
    return [ok(label, "it answers")]


async def check_hostname(hostname: str, *, resolver: Resolver) -> list[Finding]:
    """Check the host's addresses, and the PTR record of each."""
    if "." not in hostname or hostname.startswith("localhost"):
        seen = f"{hostname} is no name that other hosts can look up"
        return [failing("hostname", seen, "Set MAILSEAL_HOSTNAME to the name that MX records point to.")]
    found = await addresses(hostname, resolver)
    if not found:
        return [failing("hostname", f"{hostname} has no A or AAAA record", "Publish the address of this machine.")]
    private = [address for address in found if not ip_address(address).is_global]
    if private:
        seen = f"{hostname} is {', '.join(private)}, which other hosts cannot reach"
        return [warning("hostname", seen, "Publish the public address; a private one works only in its own network.")]
    return [
        ok("hostname", f"{hostname} is {', '.join(found)}"),
        *[await _back(hostname, each, resolver) for each in found],
    ]


async def check_domains(domains: Sequence[Domain], *, place: DnsIdentity, resolver: Resolver) -> list[Finding]:
    """Check the records of each verified domain."""
    if not domains:
        return [skipped("domains", "no domain is verified")]
    return await asyncio.gather(*[_domain(domain, place, resolver) for domain in domains])


async def _back(hostname: str, address: str, resolver: Resolver) -> Finding:
    name = f"PTR of {address}"
    try:
        names = (await resolver.lookup(ip_address(address).reverse_pointer, "PTR")).records
    except DnsUnavailable:
        return warning(name, "no nameserver answered", "Try again later.")
    if hostname in {each.lower().rstrip(".") for each in names}:
        return ok(name, hostname)
    remedy = f"Ask the provider of the address to set it to {hostname}. It matters when this machine sends mail itself."
    return warning(name, ", ".join(names) or "there is none", remedy)


async def _domain(domain: Domain, place: DnsIdentity, resolver: Resolver) -> Finding:
    name = f"domain {domain.domain}"
    seen = await look_up_records(domain, resolver=resolver, place=place)
    wrong = [each for each in seen if each.is_right is False]
    if not wrong:
        silent = [each.purpose for each in seen if each.is_right is None]
        if silent:
            return warning(name, f"no nameserver answered for {', '.join(silent)}", "Try again later.")
        return ok(name, f"{', '.join(each.purpose for each in seen)} as expected")
    seen_wrong = "; ".join(f"{each.purpose}: {', '.join(each.found) or 'no record'}" for each in wrong)
    remedy = _remedy(domain, place, wrong)
    if any(each.purpose == "receiving" for each in wrong):
        return failing(name, seen_wrong, remedy)
    return warning(name, seen_wrong, remedy)


def _remedy(domain: Domain, place: DnsIdentity, wrong: Sequence[DnsCheck]) -> str:
    purposes = {each.purpose for each in wrong}
    wanted = [each for each in expected_records(domain, place=place, sending=place.sends) if each.purpose in purposes]
    return "Publish " + "; ".join(f"{each.name} {each.type} {each.value}" for each in wanted) + "."
