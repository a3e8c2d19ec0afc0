"""Evaluate SPF: may this client address send mail for this domain (RFC 7208).

DNS is queried only through the given `Resolver`. Every record, also a hostile one, ends in one
of the seven results: limits are ten terms that need DNS, two void lookups, and ten names for
an MX or PTR answer (§4.6.4). Local part and domain are separate values, so no quoted local part can
change which domain is queried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6, inet_pton
from types import MappingProxyType
from typing import Final

from relay.auth.alignment import is_within
from relay.auth.spf_macro import Macros, SpfSyntaxError, expand, letters, parse_macros
from relay.auth.spf_record import Directive, SpfRecord, parse_record, select
from relay.auth.verdict import Result
from relay.dns.resolver import DnsAnswer, RdType, Resolver
from relay.errors import DnsUnavailable

MAX_LOOKUPS: Final = 10
MAX_VOIDS: Final = 2
MAX_NAMES: Final = 10  # of one MX or PTR answer
_MAX_DOMAIN: Final = 253
_MAX_LABEL: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The identity to check and the SMTP client that claims it."""

    local: str  # unquoted; "postmaster" for a HELO identity
    domain: str  # A-labels
    ip: IPv4Address | IPv6Address  # an IPv4-mapped address is already an IPv4Address
    helo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfOutcome:
    """The result of an evaluation."""

    result: Result
    detail: str
    domain: str = ""  # the domain whose record decided; needed by `explain`
    explanation: Macros | None = None  # exp= of that record


class _Broken(Exception):
    """The record cannot be evaluated completely; the result is ``permerror``."""


async def check_host(sender: Sender, *, resolver: Resolver, single_labels: bool = False) -> SpfOutcome:
    """Evaluate SPF for the domain of *sender* (RFC 7208 §4). Never raises.

    *single_labels* accepts single-label names as domains, as private networks use them; RFC 7208
    §4.3 does not.
    """
    evaluation = Evaluation(sender, resolver, single_labels=single_labels)
    try:
        return await evaluation.check(sender.domain)
    except DnsUnavailable:
        return SpfOutcome(result="temperror", detail="DNS did not answer")
    except (SpfSyntaxError, _Broken) as error:
        return SpfOutcome(result="permerror", detail=f"the record cannot be used: {error}")


async def explain(
    outcome: SpfOutcome, sender: Sender, *, resolver: Resolver, receiver: str, now: datetime
) -> str | None:
    """The explanation a domain publishes for a ``fail`` (RFC 7208 §6.2), or None.

    The text is ASCII and untrusted.
    """
    if outcome.result != "fail" or outcome.explanation is None:
        return None
    evaluation = Evaluation(sender, resolver, text_values={"r": receiver, "t": str(int(now.timestamp()))})
    try:
        answer = await resolver.lookup(await evaluation.target(outcome.explanation, outcome.domain), "TXT")
        if len(answer.records) != 1:
            return None
        return await evaluation.expand(parse_macros(answer.records[0], explanation=True), outcome.domain)
    except (DnsUnavailable, SpfSyntaxError):
        return None


class Evaluation:
    """One evaluation, with its counters of DNS terms and void lookups."""

    def __init__(
        self,
        sender: Sender,
        resolver: Resolver,
        *,
        single_labels: bool = False,
        text_values: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._sender = sender
        self._resolver = resolver
        self._single_labels = single_labels
        self._text_values = text_values  # values of the macros r and t, valid only in an explanation
        self._terms = 0
        self._voids = 0
        self._address = sender.ip.packed
        self._host_type: RdType = "A" if sender.ip.version == 4 else "AAAA"
        self._validated: list[str] | None = None

    async def check(self, domain: str) -> SpfOutcome:
        """Evaluate the record of *domain*.

        After an include or a redirect, *domain* differs from the sender's domain.
        """
        record = await self._record(domain)
        if record is None:
            return SpfOutcome(result="none", detail="no SPF record is published")
        for directive in record.directives:
            if await self._matches(directive, domain):
                detail = f"{directive.kind} of the record matches the peer"
                return SpfOutcome(result=directive.result, detail=detail, domain=domain, explanation=record.explanation)
        if record.redirect is None:
            return SpfOutcome(result="neutral", detail="no term of the record matches the peer")
        self._count_term()
        return await self._follow(await self.target(record.redirect, domain))

    async def _follow(self, target: str) -> SpfOutcome:
        outcome = await self.check(target)
        if outcome.result == "none":
            raise _Broken("include or redirect names a domain without an SPF record")
        return outcome

    async def _record(self, domain: str) -> SpfRecord | None:
        if not _can_be_asked(domain) or domain.startswith("[") or not (self._single_labels or "." in domain):
            return None
        answer = await self._resolver.lookup(domain, "TXT")
        text = select(answer.records)
        return None if text is None else parse_record(text, single_labels=self._single_labels)

    async def _matches(self, directive: Directive, domain: str) -> bool:
        if directive.kind == "all":
            return True
        if directive.kind in ("ip4", "ip6"):
            return self._in_network(directive.network, directive)
        self._count_term()
        target = domain if directive.target is None else await self.target(directive.target, domain)
        return await self._asks_dns(directive, target)

    async def _asks_dns(self, directive: Directive, target: str) -> bool:
        match directive.kind:
            case "include":
                return (await self._follow(target)).result == "pass"
            case "a":
                return self._any_in_network(await self._ask(target, self._host_type), directive)
            case "mx":
                return await self._mx_matches(target, directive)
            case "exists":
                return bool((await self._ask(target, "A")).records)
        return any(is_within(name, target.lower()) for name in await self._names_of_peer())

    async def _mx_matches(self, name: str, directive: Directive) -> bool:
        hosts = [record.partition(" ")[2] for record in (await self._ask(name, "MX")).records]
        if len(hosts) > MAX_NAMES:
            raise _Broken("an MX answer has more than ten names")
        # A mail host without an address is not a void lookup: the MX query itself was answered.
        for host in hosts:
            if _can_be_asked(host) and self._any_in_network(
                await self._resolver.lookup(host, self._host_type), directive
            ):
                return True
        return False

    async def _names_of_peer(self) -> list[str]:
        """Validated names of the peer's address (RFC 7208 §5.5).

        A DNS failure gives fewer names, no error.
        """
        if self._validated is None:
            self._validated = []
            try:
                self._validated.extend(await validated_names(self._sender.ip, resolver=self._resolver))
            except DnsUnavailable:
                return []
        return self._validated

    async def _ask(self, name: str, rdtype: RdType) -> DnsAnswer:
        answer = await self._resolver.lookup(name, rdtype) if _can_be_asked(name) else DnsAnswer(())
        if not answer.records:
            self._voids += 1
            if self._voids > MAX_VOIDS:
                raise _Broken("more than two DNS lookups returned no records")
        return answer

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MAX_LOOKUPS:
            raise _Broken("more than ten terms need DNS lookups")

    def _any_in_network(self, answer: DnsAnswer, directive: Directive) -> bool:
        return any(self._in_network(_packed(address), directive) for address in answer.records)

    def _in_network(self, network: bytes, directive: Directive) -> bool:
        if len(network) != len(self._address):
            return False
        width = len(network) * 8
        shift = width - (directive.four if width == 32 else directive.six)
        return int.from_bytes(network) >> shift == int.from_bytes(self._address) >> shift

    async def target(self, macros: Macros, domain: str) -> str:
        """Expand *macros* to the DNS name to query (RFC 7208 §7.3).

        Without a final dot, and cut from the left to at most 253 characters.
        """
        name = (await self.expand(macros, domain)).removesuffix(".")
        return name if len(name) <= _MAX_DOMAIN else name[-_MAX_DOMAIN - 1 :].partition(".")[2]

    async def expand(self, macros: Macros, domain: str) -> str:
        """Expand *macros* with *domain* as the current domain (RFC 7208 §7.2)."""
        used = letters(macros)
        if not used:
            return "".join(str(token) for token in macros)
        values = self._values(domain)
        if "p" in used:
            values["p"] = _best_name(await self._names_of_peer(), domain)
        return expand(macros, values.__getitem__)

    def _values(self, domain: str) -> dict[str, str]:
        sender, ip = self._sender, self._sender.ip
        four = ip.version == 4
        return {
            "s": f"{sender.local}@{sender.domain}",
            "l": sender.local,
            "o": sender.domain,
            "d": domain,
            "i": str(ip) if four else ".".join(ip.packed.hex().upper()),
            "v": "in-addr" if four else "ip6",
            "h": sender.helo,
            "c": str(ip),
            **self._text_values,
        }


async def validated_names(ip: IPv4Address | IPv6Address, *, resolver: Resolver) -> list[str]:
    """The names of *ip* that have *ip* as an address (RFC 7208 §5.5), at most ten.

    Raises DnsUnavailable if DNS does not answer for the address; a name it does not answer for is left out.
    """
    answer = await resolver.lookup(ip.reverse_pointer, "PTR")
    names = answer.records[:MAX_NAMES]
    return [name.lower().rstrip(".") for name in names if await _leads_to(name, ip, resolver)]


async def _leads_to(name: str, ip: IPv4Address | IPv6Address, resolver: Resolver) -> bool:
    host_type: RdType = "A" if ip.version == 4 else "AAAA"
    try:
        answer = await resolver.lookup(name, host_type) if _can_be_asked(name) else DnsAnswer(())
    except DnsUnavailable:
        return False
    return any(_packed(address) == ip.packed for address in answer.records)


def _best_name(names: list[str], domain: str) -> str:
    """Value of the SPF macro ``%{p}`` (RFC 7208 §7.3).

    The domain itself if it is among the validated *names*, else a subdomain of it, else another.
    """
    domain = domain.lower()
    below = [name for name in names if is_within(name, domain)]
    return domain if domain in below else next(iter(below + names), "unknown")


def _can_be_asked(name: str) -> bool:
    """Whether *name* is within the length limits of DNS (RFC 1035 §2.3.4)."""
    return 0 < len(name) <= _MAX_DOMAIN and all(0 < len(label) <= _MAX_LABEL for label in name.split("."))


def _packed(address: str) -> bytes:
    """The octets of an IP address in text form; empty if *address* is invalid."""
    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        return b""
