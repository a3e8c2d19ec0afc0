"""Share the memory and disk for mail in flight: a bound in all, and a share for each peer.

Pure: only counts. What counts is what has arrived, never what a client declares (RFC 1870 §6.1: an estimate).
"""

from collections.abc import Callable
from typing import Final

from relay.limits.counts import ALL, Counts, OwnCounts
from relay.smtp.peers import PeerKey

STEP: Final = 256 * 1024  # octets that are reserved at a time
_PEERS: Final = 4  # a peer has at most this part of the budget


def _ignored(_bound: str) -> None:
    return None


class MemoryBudget:
    """A bound for the octets of all mails that are being received or stored.

    A peer may hold a quarter of it, and never more than is left for the others.
    """

    def __init__(
        self, most: int, *, largest: int = 0, count: Callable[[str], None] = _ignored, counts: Counts | None = None
    ) -> None:
        """*largest* is the size of the largest mail: a peer may always send one of these alone.

        The bound is that of all budgets that share *counts*.
        """
        self._most = most
        self._step = max(1, min(STEP, most // 1024))
        self._share = min(most, max(most // _PEERS, largest + self._step))
        self._count = count
        self._tally = (counts or OwnCounts()).tally("smtp octets")  # by network

    @property
    def used(self) -> int:
        """Octets that are reserved in all."""
        return self._tally.of(ALL)

    def reserve(self, peer: PeerKey) -> "Reservation":
        """A reservation for one mail of *peer*, of no octets yet."""
        return Reservation(self, peer, self._step)

    def has_room(self, peer: PeerKey, octets: int) -> bool:
        """Whether *octets* more of *peer* would be taken now; reserves none. Counts a bound that is reached."""
        held, used = self._tally.of(peer) + octets, self.used + octets
        if used > self._most:
            self._count("smtp_mail_bytes")
            return False
        if held > self._share or (held > self._most - used and held < used):
            self._count("smtp_mail_bytes_per_peer")
            return False
        return True

    def take(self, peer: PeerKey, octets: int) -> bool:
        """Reserve *octets* more for *peer*; False when they exceed the budget or the peer's share."""
        with self._tally.turn():
            if not self.has_room(peer, octets):
                return False
            self._change(peer, octets)
        return True

    def give_back(self, peer: PeerKey, octets: int) -> None:
        """Free *octets* of *peer*."""
        if octets:
            with self._tally.turn():
                self._change(peer, -octets)

    def _change(self, peer: PeerKey, octets: int) -> None:
        self._tally.add(ALL, octets)
        self._tally.add(peer, octets)


class Reservation:
    """The octets of a budget that one mail uses. Call ``end`` when the mail is done."""

    def __init__(self, budget: MemoryBudget, peer: PeerKey, step: int) -> None:
        self._budget = budget
        self._peer = peer
        self._step = step
        self._held = 0

    def cover(self, octets: int) -> bool:
        """Extend the reservation, in steps, to *octets* in all; False when they exceed the budget."""
        if octets <= self._held:
            return True
        more = -(-octets // self._step) * self._step - self._held
        if not self._budget.take(self._peer, more):
            return False
        self._held += more
        return True

    def end(self) -> None:
        """Return all octets to the budget. May be called again."""
        self._budget.give_back(self._peer, self._held)
        self._held = 0
