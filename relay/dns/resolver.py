"""The DNS resolver interface, the answer it returns, and on whose behalf a question is asked."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Literal, Protocol

RdType = Literal["A", "AAAA", "MX", "TXT", "PTR"]


class Rank(IntEnum):
    """Which of a message's DNS questions are asked first."""

    AUTHOR = 0  # decides `verified`: DMARC, SPF, the key of the DKIM signature nearest to From
    OTHER = 1
    ARC = 2  # reported only, so it waits for all others


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf a question is asked; the resolver counts its shares by these values."""

    peer: str = ""  # network of the SMTP client; empty: the relay itself
    mail: int | None = None  # a number of the message; None: the question belongs to no message
    rank: Rank = Rank.AUTHOR

    def ranked(self, rank: Rank) -> "Asker":
        """The same asker with questions of another *rank*."""
        return replace(self, rank=rank)


RELAY: Final = Asker()


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The records of one name and type; empty if there are none."""

    records: tuple[
        str, ...
    ]  # TXT: strings of a record joined, bytes as Latin-1. MX: "10 host". Names without final dot
    exists: bool = True  # False for NXDOMAIN: the name has no record of any type and none below it
    ttl: int = 0  # seconds the answer may be kept

    @property
    def size(self) -> int:
        """Characters of all records."""
        return sum(map(len, self.records))


class Resolver(Protocol):
    """Looks up DNS records. Implemented by CachingResolver, and by a table in tests."""

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:
        """Look up *name* (A-labels, final dot optional) for *asker*.

        Raises DnsUnavailable if no nameserver answers in time.
        """
        ...
