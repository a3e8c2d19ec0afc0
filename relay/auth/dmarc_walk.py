"""DNS tree walk: find the DMARC record and the organisational domain.

RFC 9989 §4.10. Stricter than the RFC in one point: a single-label name is never an organisational
domain, even with a record, so a registry cannot make all domains of its customers aligned with each
other.
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
    """A DMARC record and the domain that publishes it."""

    domain: str
    record: DmarcRecord


def walk_names(domain: str) -> Sequence[str]:
    """The domains whose ``_dmarc`` record is queried, nearest first.

    At most eight, for any length of *domain*.
    """
    labels = domain.split(".")
    names = [domain]
    start = 1 if len(labels) < MAX_QUERIES else len(labels) - MAX_QUERIES + 1
    names.extend(".".join(labels[cut:]) for cut in range(start, len(labels)))
    return names


def organisation(start: str, found: Sequence[Found]) -> str:
    """The organisational domain of *start* (RFC 9989 §4.10.2).

    *found* holds the records of the walk from *start*, nearest first.
    """
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
    """Tree walks for one message; each name is queried once.

    Every method raises DnsUnavailable.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._records: dict[str, DmarcRecord | None] = {}

    async def record(self, domain: str) -> DmarcRecord | None:
        """The record published at *domain* itself."""
        if domain not in self._records:
            answer = await self._resolver.lookup(f"_dmarc.{domain}", "TXT")
            self._records[domain] = select(answer.records)
        return self._records[domain]

    async def walk(self, domain: str) -> list[Found]:
        """The records at and above *domain*, nearest first.

        Stops at a record with ``psd=y`` or ``psd=n``.
        """
        found: list[Found] = []
        for name in walk_names(domain):
            record = await self.record(name)
            if record is not None:
                found.append(Found(name, record))
                if record.psd != "u":
                    break
        return found

    async def policy(self, domain: str) -> Found | None:
        """The record that applies to *domain* (RFC 9989 §4.10.1).

        Its own record, else that of its organisational domain, else that of its public suffix.
        """
        own = await self.record(domain)
        if own is not None:
            return Found(domain, own)
        found = await self.walk(domain)
        top = organisation(domain, found)
        at_top = next((place for place in found if place.domain == top), None)
        return at_top or next((place for place in found if is_within(top, place.domain)), None)

    async def aligned(self, author: str, identifier: str, *, strict: bool) -> bool:
        """Whether *identifier* is aligned with *author*, which has a record.

        RFC 9989 §4.4.
        """
        if identifier == author:
            return True
        if strict or shared_labels(author, identifier) < 2:
            return False
        top = organisation(author, await self.walk(author))
        return is_within(identifier, top) and top == organisation(identifier, await self.walk(identifier))
