"""DNS as the rest of the relay asks it."""

from dataclasses import dataclass
from typing import Literal, Protocol

RdType = Literal["A", "AAAA", "MX", "TXT", "PTR"]


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What DNS says of a name and type, which may be that there is nothing."""

    records: tuple[
        str, ...
    ]  # TXT: strings of a record joined, bytes as Latin-1. MX: "10 host". Names without final dot
    exists: bool = True  # False for NXDOMAIN: the name has no record of any type and none below it
    ttl: int = 0  # seconds the answer may be kept


class Resolver(Protocol):
    """Whatever can look a name up. A table in tests."""

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Ask for *name* (A-labels, no final dot needed). Raises DnsUnavailable when nobody answers in time."""
        ...
