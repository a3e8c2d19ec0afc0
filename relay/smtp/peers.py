"""Which networks a client's address counts for, and rates per network.

Pure: the time is a parameter.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from relay.limits.counts import Counts, OwnCounts

PeerKey = tuple[int, int]  # bits of the prefix, and those bits as a number

WIDE_FACTOR: Final = 3  # what a /48 may have, in shares of a /64
_MAX_KNOWN: Final = 20_000  # networks whose rate is remembered; a forgotten one begins with a full minute


def peer_keys(ip: IPv4Address | IPv6Address) -> tuple[PeerKey, ...]:
    """The networks of *ip* that are bounded, the narrowest first: /32, or /64 and /48.

    A customer has an IPv6 /64 at least, and often a /48 (RFC 6177).
    """
    if isinstance(ip, IPv6Address):
        return (64, int(ip) >> 64), (48, int(ip) >> 80)
    return ((32, int(ip)),)


def widest(ip: IPv4Address | IPv6Address) -> PeerKey:
    """The widest network of *ip* that is bounded: its /32, or its /48."""
    return peer_keys(ip)[-1]


def share(key: PeerKey, most: int) -> int:
    """How much the network *key* may have when one peer may have *most*."""
    return most * WIDE_FACTOR if key[0] == 48 else most


class PeerRate:
    """Token buckets: at most so many a minute from each network, and at once."""

    def __init__(self, per_minute: int, counts: Counts | None = None, *, kind: str = "") -> None:
        """Count with *counts* under *kind*; without them in this process alone."""
        self._per_minute = per_minute  # 0 sets no limit
        self._buckets = (counts or OwnCounts()).buckets(kind, most=_MAX_KNOWN)

    def take(self, ip: IPv4Address | IPv6Address, now: float) -> bool:
        """Count one of *ip* at *now* (seconds); False when one of its networks has had too many."""
        if not self._per_minute:
            return True
        return self._buckets.spend({key: share(key, self._per_minute) for key in peer_keys(ip)}, now)
