"""The DNS tree walk: which record applies to a domain, and which domain is its organisation's (RFC 9989 §4.10).

Stricter than the RFC in one thing: a name of one label is never an organisational domain,
whatever is published there, so no registry can make all its customers aligned with each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.auth.alignment import is_within, shared_labels
from relay.auth.dmarc_record import DmarcRecord, select
from relay.dns.resolver import Resolver

MAX_QUERIES: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A record and where it was."""

    domain: str
    record: DmarcRecord


def walk_names(domain: str) -> Sequence[str]:
    """The names whose ``_dmarc`` is asked for, nearest first: at most eight, however long *domain* is."""
    labels = domain.split(".")
    names = [domain]
    start = 1 if len(labels) < MAX_QUERIES else len(labels) - MAX_QUERIES + 1
    names.extend(".".join(labels[cut:]) for cut in range(start, len(labels)))
    return names


def organisation(start: str, found: Sequence[Found]) -> str:
    """The organisational domain of *start*, given the records of its walk, nearest first (RFC 9989 §4.10.2)."""
    for place in found:
        single = "." not in place.domain
        if place.record.psd == "n" and not single:
            return place.domain
        if (place.record.psd == "y" or single) and place.domain != start:
            return _one_below(start, place.domain)
    return found[-1].domain if found else start


def _one_below(name: str, domain: str) -> str:
    """The ancestor of *name* that is one label longer than *domain*."""
    return ".".join(name.split(".")[-domain.count(".") - 2 :])


class TreeWalk:
    """The walks of one mail; a name is asked for once. Every method raises DnsUnavailable."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._records: dict[str, DmarcRecord | None] = {}

    async def record(self, domain: str) -> DmarcRecord | None:
        """The record published for *domain* itself."""
        if domain not in self._records:
            answer = await self._resolver.lookup(f"_dmarc.{domain}", "TXT")
            self._records[domain] = select(answer.records)
        return self._records[domain]

    async def walk(self, domain: str) -> list[Found]:
        """The records at and above *domain*, nearest first; the walk ends at one that says ``psd=y`` or ``psd=n``."""
        found: list[Found] = []
        for name in walk_names(domain):
            record = await self.record(name)
            if record is not None:
                found.append(Found(name, record))
                if record.psd != "u":
                    break
        return found

    async def policy(self, domain: str) -> Found | None:
        """The record that applies to *domain*: its own, its organisation's, its public suffix's (RFC 9989 §4.10.1)."""
        own = await self.record(domain)
        if own is not None:
            return Found(domain, own)
        found = await self.walk(domain)
        top = organisation(domain, found)
        at_top = next((place for place in found if place.domain == top), None)
        return at_top or next((place for place in found if is_within(top, place.domain)), None)

    async def aligned(self, author: str, identifier: str, *, strict: bool) -> bool:
        """Whether *identifier* may speak for *author*, for which a record is published (RFC 9989 §4.4)."""
        if identifier == author:
            return True
        if strict or shared_labels(author, identifier) < 2:
            return False
        top = organisation(author, await self.walk(author))
        return is_within(identifier, top) and top == organisation(identifier, await self.walk(identifier))
