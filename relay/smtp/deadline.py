"""One timer per connection, with a deadline that moves at every step."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls *expired* once when the deadline passes. Close it.

    To move the deadline back costs one comparison: the timer checks the deadline when it fires.
    """

    def __init__(self, loop: AbstractEventLoop, expired: Callable[[], None], *, bound: float) -> None:
        self._loop = loop
        self._expired = expired
        self._bound = loop.time() + bound  # no deadline is later
        self._at = inf
        self._fires = inf
        self._handle: TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Set the deadline to *seconds* from now, or to the session's bound if earlier."""
        self._set(min(self._loop.time() + seconds, self._bound))

    def beyond(self, seconds: float) -> None:
        """Set the deadline to *seconds* from now, also after the session's bound.

        For closing the connection.
        """
        self._set(self._loop.time() + seconds)

    def sooner(self, at: float) -> None:
        """Set the deadline to the time *at* of the loop, unless it is earlier."""
        if at < self._at:
            self._set(at)

    def lift(self) -> None:
        """Remove the deadline for now."""
        self._at = inf

    def close(self) -> None:
        """Cancel the timer; *expired* is not called any more."""
        self._at = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, at: float) -> None:
        self._at = at
        if at < self._fires or self._handle is None:
            self._fire_at(at)

    def _fire_at(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._fires = at
        self._handle = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._handle, self._fires = None, inf
        if self._at == inf:
            return
        if self._loop.time() >= self._at:
            self._at = inf
            self._expired()
        else:
            self._fire_at(self._at)
