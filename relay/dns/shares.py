"""Share the DNS queries in progress between peers, messages and ranks of questions.

A resolver has a fixed number of slots, one for each query that waits for a nameserver. A sender can name as many
domains as it likes whose nameservers never answer, and each occupies a slot for seconds. So no message and no peer
holds more than its share, the last quarter of the slots is for peers that hold hardly any, ARC keys get a quarter
at most, and free slots go to the waiting peers in turn. Pure: no I/O, no clock.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relay.dns.resolver import Asker, Rank

NEWCOMER: Final = 3  # a peer with fewer slots than this is served first, also from the reserve

Count = Callable[[str], None]
"""Counts that a bound was reached, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimits:
    """Slots, and the largest shares of them."""

    total: int = 256
    peer: int = 64
    mail: int = 12
    waiting: int = 4096  # questions that wait for a slot; a peer may have a quarter of them

    @property
    def reserve(self) -> int:
        """Slots that only newcomers get."""
        return self.total // 4

    @property
    def late(self) -> int:
        """Slots that questions of rank ARC may hold."""
        return max(1, self.total // 4)

    @property
    def late_of_mail(self) -> int:
        """Questions of rank ARC that one message may have in the queue or in progress."""
        return max(1, self.mail // 4)


@dataclass(eq=False, slots=True)
class Ticket:
    """One caller that waits for a slot."""

    asker: Asker
    granted: asyncio.Future[bool]  # False: the question is asked by another caller, no slot is needed


@dataclass(slots=True)
class _Lines:
    """Waiting tickets, a queue for each rank."""

    ranks: tuple[dict[Ticket, None], ...] = field(default_factory=lambda: tuple({} for _ in Rank))

    def __len__(self) -> int:
        return sum(map(len, self.ranks))

    def first(self, *, late: bool) -> Ticket | None:
        """The oldest ticket of the lowest rank; of rank ARC if and only if *late*."""
        chosen = self.ranks[Rank.ARC :] if late else self.ranks[: Rank.ARC]
        return next((next(iter(line)) for line in chosen if line), None)


@dataclass(slots=True)
class _Peer:
    lines: _Lines = field(default_factory=_Lines)
    held: int = 0  # slots
    outside: int = 0  # tickets that wait for their message's share


@dataclass(slots=True)
class _Mail:
    lines: _Lines = field(default_factory=_Lines)
    admitted: Counter[Rank] = field(default_factory=Counter)  # in the peer's queue or in progress


class QuerySlots:
    """The slots of one resolver and the queue for them. Use it on one event loop."""

    def __init__(self, limits: ShareLimits | None = None, *, count: Count = lambda _: None) -> None:
        self._limits = limits or ShareLimits()
        self._count = count
        self._held = 0
        self._held_late = 0
        self._waiting = 0
        self._peers: dict[str, _Peer] = {}
        self._mails: dict[int, _Mail] = {}
        # Peers with waiting tickets that may be granted, each in the order of their turns.
        self._newcomers: dict[str, None] = {}
        self._others: dict[str, None] = {}
        self._late: dict[str, None] = {}

    @property
    def held(self) -> int:
        """Slots in use."""
        return self._held

    @property
    def waiting(self) -> int:
        """Tickets that wait for a slot."""
        return self._waiting

    def is_newcomer(self, asker: Asker) -> bool:
        """Whether the peer of *asker* holds hardly any slots, and its question is not one of rank ARC."""
        peer = self._peers.get(asker.peer)
        return asker.rank is not Rank.ARC and (peer is None or peer.held < NEWCOMER)

    def enter(self, asker: Asker) -> Ticket | None:
        """Queue for a slot, which may be granted at once; None if too many questions wait."""
        peer = self._peers.setdefault(asker.peer, _Peer())
        if not self._has_room(peer):
            self._count("dns_waiting")
            self._forget(asker.peer)
            return None
        ticket = Ticket(asker, asyncio.get_running_loop().create_future())
        self._waiting += 1
        if peer.held >= self._limits.peer:
            self._count("dns_peer")
        if self._admits(asker):
            self._queue(ticket)
            self._grant_free()
        else:
            self._count("dns_mail")
            self._mails[asker.mail or 0].lines.ranks[asker.rank][ticket] = None
            peer.outside += 1
        return ticket

    def leave(self, ticket: Ticket, *, joined: bool = False) -> None:
        """Take *ticket* out of the queue: its caller has gone, or has *joined* another's question."""
        if ticket.granted.done():
            if not ticket.granted.cancelled() and ticket.granted.result():
                self.give_back(ticket.asker)
            return
        ticket.granted.set_result(False) if joined else ticket.granted.cancel()
        asker, peer = ticket.asker, self._peers[ticket.asker.peer]
        self._waiting -= 1
        if ticket in peer.lines.ranks[asker.rank]:
            del peer.lines.ranks[asker.rank][ticket]
            self._place(asker.peer)
            self._release_mail(asker)
        else:
            del self._mails[asker.mail or 0].lines.ranks[asker.rank][ticket]
            peer.outside -= 1
            self._forget_mail(asker)
        self._forget(asker.peer)
        self._grant_free()

    def give_back(self, asker: Asker) -> None:
        """End the use of a slot that was granted to *asker*."""
        self._held -= 1
        self._held_late -= asker.rank is Rank.ARC
        self._peers[asker.peer].held -= 1
        self._place(asker.peer)
        self._release_mail(asker)
        self._forget(asker.peer)
        self._grant_free()

    def _has_room(self, peer: _Peer) -> bool:
        own = peer.held + len(peer.lines) + peer.outside
        if own < NEWCOMER:
            return True
        return self._waiting < self._limits.waiting and own < max(self._limits.waiting // 4, NEWCOMER)

    def _admits(self, asker: Asker) -> bool:
        """Whether the message of *asker* has a share left; takes it if so."""
        if asker.mail is None:
            return True
        mail = self._mails.setdefault(asker.mail, _Mail())
        late = asker.rank is Rank.ARC and mail.admitted[Rank.ARC] >= self._limits.late_of_mail
        if late or mail.admitted.total() >= self._limits.mail:
            return False
        mail.admitted[asker.rank] += 1
        return True

    def _release_mail(self, asker: Asker) -> None:
        """Give the share of one question to the next question of the same message."""
        if asker.mail is None:
            return
        mail = self._mails[asker.mail]
        mail.admitted[asker.rank] -= 1
        late = not mail.lines.first(late=False)
        ticket = mail.lines.first(late=late)
        if ticket is not None and self._admits(ticket.asker):
            del mail.lines.ranks[ticket.asker.rank][ticket]
            self._peers[ticket.asker.peer].outside -= 1
            self._queue(ticket)
        self._forget_mail(asker)

    def _queue(self, ticket: Ticket) -> None:
        self._peers[ticket.asker.peer].lines.ranks[ticket.asker.rank][ticket] = None
        self._place(ticket.asker.peer)

    def _place(self, name: str, *, again: bool = False) -> None:
        """Put a peer where its tickets are granted from; with *again*, behind the others there."""
        peer = self._peers[name]
        soon, late = peer.lines.first(late=False) is not None, peer.lines.first(late=True) is not None
        is_new, is_full = peer.held < NEWCOMER, peer.held >= self._limits.peer
        places = ((self._newcomers, soon and is_new), (self._others, soon and not is_new and not is_full))
        for ring, belongs in (*places, (self._late, late and not is_full)):
            if again or not belongs:
                ring.pop(name, None)
            if belongs:
                ring.setdefault(name)

    def _grant_free(self) -> None:
        while (found := self._next()) is not None:
            asker = found.asker
            peer = self._peers[asker.peer]
            del peer.lines.ranks[asker.rank][found]
            peer.held += 1
            self._held += 1
            self._held_late += asker.rank is Rank.ARC
            self._waiting -= 1
            found.granted.set_result(True)
            self._place(asker.peer, again=True)

    def _next(self) -> Ticket | None:
        free = self._limits.total - self._held
        if free > 0 and self._newcomers:
            return self._head(self._newcomers, late=False)
        if free > self._limits.reserve and self._others:
            return self._head(self._others, late=False)
        if free > self._limits.reserve and self._late and self._held_late < self._limits.late:
            return self._head(self._late, late=True)
        return None

    def _head(self, ring: dict[str, None], *, late: bool) -> Ticket | None:
        return self._peers[next(iter(ring))].lines.first(late=late)

    def _forget(self, name: str) -> None:
        peer = self._peers[name]
        if not (peer.held or peer.outside or len(peer.lines)):
            del self._peers[name]

    def _forget_mail(self, asker: Asker) -> None:
        if asker.mail is None:
            return
        mail = self._mails[asker.mail]
        if not mail.admitted.total() and not len(mail.lines):
            del self._mails[asker.mail]
