"""A scheduler of periodic jobs: each job has its own interval, and its rounds never overlap.

From start to start of a round it is the interval and up to a tenth more, so that daemons started at the same time
spread their work. A round that takes longer than the interval is followed at once by the next. A round that fails
is logged, and the next comes at its usual time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from relay.clock import Clock
from relay.tasks import TaskSet, rest
from store.errors import StoreError, words_of

FIRST_SECONDS: Final = 5.0  # the longest wait before a first round, so that short-lived daemons run jobs too
JITTER: Final = 0.1  # of the interval, added

log = structlog.get_logger("relay.jobs")

Round = Callable[[asyncio.Event], Awaitable[None]]
"""One round of a job. Its argument is an event that is set when the daemon stops; a long round checks it."""
Rest = Callable[[asyncio.Event, float], Awaitable[None]]
"""Wait for a number of seconds, or until the event is set."""


def seconds_left(every: timedelta, passed: timedelta, *, jitter: float) -> float:
    """Seconds until the next round, *passed* after the last one began; *jitter* is random in [0, 1).

    After the clock was set back the wait is one interval at most.
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
        """*chance* returns random numbers in [0, 1)."""
        self._clock = clock
        self._chance = chance
        self._rest = rest
        self._jobs: list[_Job] = []
        self._tasks = TaskSet()
        self._stop = asyncio.Event()

    def add(self, name: str, *, every: timedelta, run: Round) -> None:
        """Add a job. Call it before start()."""
        self._jobs.append(_Job(name, every, run))

    def start(self) -> None:
        """Begin: each job's first round comes within seconds."""
        for job in self._jobs:
            self._tasks.spawn(self._repeat(job))

    async def stop(self, grace_seconds: float) -> None:
        """Begin no further round, and let running rounds end within *grace_seconds*."""
        self._stop.set()
        await self._tasks.drain(grace_seconds)

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
            log.warning("job_failed", job=job.name, error=words_of(error))
        except Exception:
            log.exception("job_failed", job=job.name)
