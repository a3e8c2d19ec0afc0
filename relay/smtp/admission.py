"""Limit concurrent connections, in all and by peer, and incoming octets.

Pure: only counts.
"""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from relay.smtp.limits import Limits
from relay.smtp.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_PEER, Reply

PeerKey = int | tuple[int]


class ConnectionLimits:
    """Counts the connections of one SMTP server against its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_peer: Counter[PeerKey] = Counter()
        self._total = 0

    def enter(self, ip: IPv4Address | IPv6Address) -> Reply | None:
        """Count a new connection, or return the reply that refuses it."""
        if self._total >= self._limits.max_connections:
            return TOO_MANY_CONNECTIONS
        key = _key(ip)
        if self._by_peer[key] >= self._limits.max_connections_per_peer:
            return TOO_MANY_FROM_PEER
        self._by_peer[key] += 1
        self._total += 1
        return None

    def leave(self, ip: IPv4Address | IPv6Address) -> None:
        """Count out a connection that ``enter`` counted in."""
        key = _key(ip)
        self._total -= 1
        self._by_peer[key] -= 1
        if not self._by_peer[key]:
            del self._by_peer[key]


class MemoryBudget:
    """A bound for the octets of all mails that are being received or stored."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.used = 0

    def reserve(self) -> "Reservation":
        """A reservation for one mail, of no octets yet."""
        return Reservation(self)

    def take(self, octets: int) -> bool:
        """Reserve *octets* more; False when they exceed the budget."""
        if self.used + octets > self._most:
            return False
        self.used += octets
        return True


class Reservation:
    """The octets of a budget that one mail uses. Call ``end`` when the mail is done."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._held = 0

    def cover(self, octets: int) -> bool:
        """Extend the reservation to *octets* in all; False when they exceed the budget."""
        more = octets - self._held
        if more <= 0:
            return True
        if not self._budget.take(more):
            return False
        self._held = octets
        return True

    def end(self) -> None:
        """Return all octets to the budget. May be called again."""
        self._budget.used -= self._held
        self._held = 0


def _key(ip: IPv4Address | IPv6Address) -> PeerKey:
    # One IPv6 customer has a /64 at least (RFC 6177), so the addresses of a /64 count as one peer.
    if isinstance(ip, IPv6Address):
        return (int(ip) >> 64,)
    return int(ip)
