"""One timer for a connection that moves its deadline at every step."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls *expired* once when a deadline passes. Close it.

    Moving a deadline back costs a comparison: the timer that was set finds out when it rings.
    """

    def __init__(self, loop: AbstractEventLoop, expired: Callable[[], None], *, bound: float) -> None:
        self._loop = loop
        self._expired = expired
        self._bound = loop.time() + bound  # no deadline lies behind it
        self._at = inf
        self._rings = inf
        self._handle: TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """The next step must be done in *seconds*, or by the end of all."""
        self._set(min(self._loop.time() + seconds, self._bound))

    def beyond(self, seconds: float) -> None:
        """As within, and the end of all does not count: for saying goodbye."""
        self._set(self._loop.time() + seconds)

    def lift(self) -> None:
        """No deadline for now."""
        self._at = inf

    def close(self) -> None:
        """Never ring again."""
        self._at = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, at: float) -> None:
        self._at = at
        if at < self._rings or self._handle is None:
            self._ring_at(at)

    def _ring_at(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._rings = at
        self._handle = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._handle, self._rings = None, inf
        if self._at == inf:
            return
        if self._loop.time() >= self._at:
            self._at = inf
            self._expired()
        else:
            self._ring_at(self._at)
