"""What is done again and again: named jobs, each at intervals of its own and never beside itself.

From start to start of a round it is the interval and up to a tenth more, so that daemons which
were started together do not all work together. A round that takes longer is followed at once by
the next; one that fails is told in the log, and the next comes when it would have come anyhow.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from relay.clock import Clock
from store.errors import StoreError

FIRST_SECONDS: Final = 5.0  # the longest that the first round waits: a daemon that never lives long works too
JITTER: Final = 0.1  # of the interval, added

log = structlog.get_logger("relay.jobs")

Round = Callable[[asyncio.Event], Awaitable[None]]
"""One round of a job. It is handed an event that is set when the daemon stops: a long round looks at it."""
Rest = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits for so many seconds, or until the event is set."""


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Return after *seconds*, or as soon as *stop* is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def seconds_left(every: timedelta, passed: timedelta, *, jitter: float) -> float:
    """Seconds until the next round, *passed* after the last one began; *jitter* in [0, 1) is chance's part.

    A clock that was set back meanwhile makes nobody wait for longer than one interval.
    """
    whole = every * (1 + JITTER * jitter)
    return min(max(whole - passed, timedelta(0)), whole).total_seconds()


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    every: timedelta
    run: Round


class Scheduler:
    """Runs jobs from start() to stop() on the running loop."""

    def __init__(self, *, clock: Clock, chance: Callable[[], float] = random.random, rest: Rest = rest) -> None:
        """*chance* answers numbers in [0, 1)."""
        self._clock = clock
        self._chance = chance
        self._rest = rest
        self._jobs: list[_Job] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def add(self, name: str, *, every: timedelta, run: Round) -> None:
        """A job more; before start()."""
        self._jobs.append(_Job(name, every, run))

    def start(self) -> None:
        """Begin: each job's first round comes within seconds."""
        self._tasks = {asyncio.ensure_future(self._repeat(job)) for job in self._jobs}

    async def stop(self, grace_seconds: float) -> None:
        """Begin no round any more, and let those under way end within *grace_seconds*."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _repeat(self, job: _Job) -> None:
        first = min(FIRST_SECONDS, job.every.total_seconds())
        await self._rest(self._stop, first * (1 + self._chance()) / 2)
        while not self._stop.is_set():
            began = self._clock.now()
            await self._run(job)
            left = seconds_left(job.every, self._clock.now() - began, jitter=self._chance())
            await self._rest(self._stop, left)

    async def _run(self, job: _Job) -> None:
        try:
            await job.run(self._stop)
        except StoreError as error:
            log.warning("job_failed", job=job.name, error=type(error).__name__)
        except Exception:
            log.exception("job_failed", job=job.name)
