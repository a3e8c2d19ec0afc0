"""The DNS resolver interface, and the answer it returns."""

from dataclasses import dataclass
from typing import Literal, Protocol

RdType = Literal["A", "AAAA", "MX", "TXT", "PTR"]


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The records of one name and type; empty if there are none."""

    records: tuple[
        str, ...
    ]  # TXT: strings of a record joined, bytes as Latin-1. MX: "10 host". Names without final dot
    exists: bool = True  # False for NXDOMAIN: the name has no record of any type and none below it
    ttl: int = 0  # seconds the answer may be kept


class Resolver(Protocol):
    """Looks up DNS records. Implemented by CachingResolver, and by a table in tests."""

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Look up *name* (A-labels, final dot optional).

        Raises DnsUnavailable if no nameserver answers in time.
        """
        ...
