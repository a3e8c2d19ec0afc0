"""Shares of the HTTP connections: a bound for each peer, and a reserve for peers that hold none.

When a bound is reached, the oldest connection that has sent no whole head is dropped in favour of the new one, then
the one that has been idle the longest. Only a connection with nothing to drop is refused.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from relay.limits.counts import ALL, Counts, OwnCounts
from relay.web.http.limits import ApiLimits


class ConnectionPhase(Enum):
    """What a connection does."""

    HEAD = "it has sent no whole head"
    BODY = "a body arrives"
    ANSWER = "a response is made or sent"
    IDLE = "it is kept for the next request"


class Pooled(Protocol):
    """A connection of the pool."""

    def drop(self) -> None:
        """Close the connection in favour of another."""


class _Entry:
    __slots__ = ("is_proxy", "peer", "phase")

    def __init__(self, peer: str, *, is_proxy: bool) -> None:
        self.peer = peer
        self.is_proxy = is_proxy
        self.phase = ConnectionPhase.HEAD


class ConnectionPool:
    """The open connections of one server, by peer and by phase."""

    def __init__(self, limits: ApiLimits, count: Callable[[str], None], counts: Counts | None = None) -> None:
        """*count* counts a bound that is reached. The limits are those of all pools that share *counts*."""
        self._limits = limits
        self._tally = (counts or OwnCounts()).tally("http connections")  # by peer
        self.count = count  # a bound that was reached
        self._entries: dict[Pooled, _Entry] = {}
        self._peers: dict[str, dict[Pooled, None]] = {}
        self._phases: dict[ConnectionPhase, dict[Pooled, None]] = {
            phase: {} for phase in ConnectionPhase
        }  # longest in the phase first

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self, connection: Pooled, peer: str, *, is_proxy: bool) -> bool:
        """Add *connection*, dropping another one at a bound; False if there is none to drop."""
        with self._tally.turn():
            has_place = self._has_place(peer, is_proxy=is_proxy)
            if has_place:
                self._tally.add(ALL, 1)
                self._tally.add(f"of {peer}", 1)
        if has_place:
            self._entries[connection] = _Entry(peer, is_proxy=is_proxy)
            self._peers.setdefault(peer, {})[connection] = None
            self._phases[ConnectionPhase.HEAD][connection] = None
        return has_place

    def _has_place(self, peer: str, *, is_proxy: bool) -> bool:
        held = self._tally.of(f"of {peer}")
        if not is_proxy and held >= self._limits.max_connections_per_peer:
            self.count("http_connections_per_peer")
            return self._drop_of(self._peers.get(peer, {}))
        if self._is_full(holds=held > 0, is_proxy=is_proxy):
            self.count("http_connections")
            return self._drop_any()
        return True

    def enter(self, connection: Pooled, phase: ConnectionPhase) -> None:
        """Note that *connection* is in *phase* now."""
        entry = self._entries.get(connection)
        if entry is not None and entry.phase is not phase:
            del self._phases[entry.phase][connection]
            entry.phase = phase
            self._phases[phase][connection] = None

    def leave(self, connection: Pooled) -> None:
        """Remove a closed connection; one that is not in the pool is ignored."""
        entry = self._entries.pop(connection, None)
        if entry is None:
            return
        del self._phases[entry.phase][connection]
        held = self._peers[entry.peer]
        del held[connection]
        if not held:
            del self._peers[entry.peer]
        with self._tally.turn():
            self._tally.add(ALL, -1)
            self._tally.add(f"of {entry.peer}", -1)

    def _is_full(self, *, holds: bool, is_proxy: bool) -> bool:
        reserved = self._limits.reserved_connections if holds and not is_proxy else 0
        return self._tally.of(ALL) >= self._limits.max_connections - reserved

    def _drop_of(self, held: dict[Pooled, None]) -> bool:
        """Drop one of a peer's own connections, also one whose body has not arrived yet."""
        for phase in (ConnectionPhase.HEAD, ConnectionPhase.IDLE, ConnectionPhase.BODY):
            for each in held:
                if self._entries[each].phase is phase:
                    self._drop(each)
                    return True
        return False

    def _drop_any(self) -> bool:
        for phase in (ConnectionPhase.HEAD, ConnectionPhase.IDLE):
            for each in self._phases[phase]:
                self._drop(each)
                return True
        return False

    def _drop(self, connection: Pooled) -> None:
        self.leave(connection)
        connection.drop()
