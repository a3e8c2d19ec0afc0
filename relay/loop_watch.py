"""Measure the delay of the event loop, and feed systemd's watchdog from it.

A timer that fires late shows for how long the loop ran other code. All clients wait meanwhile. The watchdog is fed by
this timer and by no thread, so that systemd restarts a daemon whose loop is blocked.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from relay.systemd import notify_systemd, watchdog_seconds

EVERY_SECONDS: Final = 0.5
REMEMBERED_SECONDS: Final = 60.0
BLOCKED_SECONDS: Final = 1.0  # a delay from here on is logged
log = structlog.get_logger("relay.loop")


class LoopWatch:
    """Watches the running loop from start() to stop()."""

    def __init__(self, *, watchdog: float | None = None, notify: Callable[[str], None] = notify_systemd) -> None:
        """*watchdog* is the time within which *notify* must be called again; None without a watchdog."""
        self._feed_every = watchdog / 2 if watchdog is not None else None
        self._every = min(EVERY_SECONDS, self._feed_every or EVERY_SECONDS)
        self._notify = notify
        self._fed_at = float("-inf")
        self._lags: deque[tuple[float, float]] = deque()  # time and delay; each delay is longer than those after it
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        loop = asyncio.get_running_loop()
        self._look(loop, loop.time())

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def longest(self) -> float:
        """The longest delay in the last minute, in seconds."""
        return self._lags[0][1] if self._lags else 0.0

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._note(now, max(now - due, 0.0))
        if self._feed_every is not None and now - self._fed_at >= self._feed_every - self._every / 2:
            self._fed_at = now
            self._notify("WATCHDOG=1")
        self._timer = loop.call_at(now + self._every, self._look, loop, now + self._every)

    def _note(self, now: float, lag: float) -> None:
        while self._lags and self._lags[0][0] < now - REMEMBERED_SECONDS:
            self._lags.popleft()
        while self._lags and self._lags[-1][1] <= lag:
            self._lags.pop()
        self._lags.append((now, lag))
        if lag >= BLOCKED_SECONDS:
            log.warning("loop_blocked", seconds=round(lag, 3))


def make_loop_watch() -> LoopWatch:
    """A watch of the loop for this process, with systemd's watchdog where there is one."""
    return LoopWatch(watchdog=watchdog_seconds())
