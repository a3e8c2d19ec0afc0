"""Who and how much is let in at once: connections by peer, and octets of mails under way. Pure counting."""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from relay.smtp.limits import Limits
from relay.smtp.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_PEER, Reply

PeerKey = int | tuple[int]


class ConnectionLimits:
    """Connections of one door, bounded in all and by peer."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_peer: Counter[PeerKey] = Counter()
        self._total = 0

    def enter(self, ip: IPv4Address | IPv6Address) -> Reply | None:
        """Count a connection in; the reply to send it off with when there is no room."""
        if self._total >= self._limits.max_connections:
            return TOO_MANY_CONNECTIONS
        key = _key(ip)
        if self._by_peer[key] >= self._limits.max_connections_per_peer:
            return TOO_MANY_FROM_PEER
        self._by_peer[key] += 1
        self._total += 1
        return None

    def leave(self, ip: IPv4Address | IPv6Address) -> None:
        """Count out a connection that entered."""
        key = _key(ip)
        self._total -= 1
        self._by_peer[key] -= 1
        if not self._by_peer[key]:
            del self._by_peer[key]


class MemoryBudget:
    """Octets of all mails that are arriving or being kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.used = 0

    def lease(self) -> "Reservation":
        """A share for one mail, of no octets yet."""
        return Reservation(self)

    def take(self, octets: int) -> bool:
        """Whether *octets* more fit; they then count until given back."""
        if self.used + octets > self._most:
            return False
        self.used += octets
        return True


class Reservation:
    """One mail's share of a budget. End it."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._held = 0

    def cover(self, octets: int) -> bool:
        """Whether a mail of *octets* in all fits."""
        more = octets - self._held
        if more <= 0:
            return True
        if not self._budget.take(more):
            return False
        self._held = octets
        return True

    def end(self) -> None:
        """Give everything back. May be called again."""
        self._budget.used -= self._held
        self._held = 0


def _key(ip: IPv4Address | IPv6Address) -> PeerKey:
    # A /64 is what one IPv6 customer has at least (RFC 6177), so its addresses count as one peer.
    if isinstance(ip, IPv6Address):
        return (int(ip) >> 64,)
    return int(ip)
