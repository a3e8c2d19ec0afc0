"""Limit and share connections among peers: per network, in all, and by rate.

Pure: only counts; the time is a parameter.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

from relay.limits.counts import ALL, Counts, OwnCounts
from relay.smtp.limits import Limits
from relay.smtp.peers import PeerKey, PeerRate, peer_keys, share
from relay.smtp.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_PEER, TOO_MANY_NEW, Reply

_RESERVE: Final = 0.1  # of all connections: for peers that hold none
_CROWDED: Final = 0.8  # of all connections: above it clients have less time between commands
_HURRY_SECONDS: Final = 1.0  # the connected clients are told of it once in this time at most


class PooledClient(Protocol):
    """A connection of the pool."""

    @property
    def has_sent_mail(self) -> bool:
        """Whether it completed a mail transaction a short time ago."""
        ...

    def make_room(self) -> bool:
        """End the connection with 421; False while that would lose an answer that is being made."""
        ...

    def hurry(self) -> None:
        """The pool is crowded: wait for the next command for a shorter time."""
        ...


class SmtpPool:
    """The connections of one SMTP server, within its limits.

    When all are in use, a newcomer whose network holds none takes the place of the oldest connection that sent no mail;
    one whose network holds some takes only a place of its own network. So no peer can keep the others out.
    """

    def __init__(self, limits: Limits, count: Callable[[str], None], counts: Counts | None = None) -> None:
        """*count* counts a bound that is reached. The limits are those of all servers that share *counts*."""
        counts = counts or OwnCounts()
        self._limits = limits
        self._count = count
        self._rate = PeerRate(limits.connections_per_minute, counts, kind="smtp connections a minute")
        self._tally = counts.tally("smtp connections")  # by network
        self._members: dict[PooledClient, tuple[PeerKey, ...]] = {}  # oldest first
        self._hurried = float("-inf")

    @property
    def is_crowded(self) -> bool:
        """Whether most connections are in use."""
        return self._tally.of(ALL) > self._limits.max_connections * _CROWDED

    def enter(self, client: PooledClient, ip: IPv4Address | IPv6Address, now: float) -> Reply | None:
        """Count a new connection at *now* (seconds), or return the reply that refuses it."""
        with self._tally.turn():
            refusal = self._enter(client, peer_keys(ip), ip, now)
        if refusal is not None:
            return refusal
        if self.is_crowded and now - self._hurried >= _HURRY_SECONDS:
            self._hurried = now
            for member in self._members:
                member.hurry()
        return None

    def leave(self, client: PooledClient) -> None:
        """Count out a connection; one that was not counted in, or was counted out before, changes nothing."""
        keys = self._members.pop(client, ())
        if keys:
            with self._tally.turn():
                for key in (ALL, *keys):
                    self._tally.add(key, -1)

    def _enter(
        self, client: PooledClient, keys: tuple[PeerKey, ...], ip: IPv4Address | IPv6Address, now: float
    ) -> Reply | None:
        if not self._rate.take(ip, now):
            return self._refuse("smtp_connection_rate", TOO_MANY_NEW)
        if any(self._tally.of(key) >= share(key, self._limits.max_connections_per_peer) for key in keys):
            return self._refuse("smtp_connections_per_peer", TOO_MANY_FROM_PEER)
        if not self._has_place(keys):
            return self._refuse("smtp_connections", TOO_MANY_CONNECTIONS)
        self._members[client] = keys
        for key in (ALL, *keys):
            self._tally.add(key, 1)
        return None

    def _refuse(self, bound: str, reply: Reply) -> Reply:
        self._count(bound)
        return reply

    def _has_place(self, keys: tuple[PeerKey, ...]) -> bool:
        most = self._limits.max_connections
        network = keys[-1]
        if not self._tally.of(network):
            return self._tally.of(ALL) < most or self._drop_oldest(self._members_of_large()) or self._drop_oldest()
        if self._tally.of(ALL) < most - int(most * _RESERVE):
            return True
        return self._drop_oldest([client for client, held in self._members.items() if held[-1] == network])

    def _members_of_large(self) -> list[PooledClient]:
        return [client for client, held in self._members.items() if self._tally.of(held[-1]) > 1]

    def _drop_oldest(self, among: Iterable[PooledClient] | None = None) -> bool:
        for client in list(self._members if among is None else among):
            if not client.has_sent_mail and client.make_room():
                self._count("smtp_connections_dropped")
                self.leave(client)
                return True
        return False
