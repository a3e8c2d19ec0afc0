"""A worker: takes what is due out of the store, a few at once, from start() to stop().

A commit that makes something due rings; what falls due later, or was made so by another process on SQLite, is found
by looking. Every daemon on a database may work: a thing is claimed by one of them, under a lease.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar

import structlog

from relay.jobs.schedule import rest
from relay.outbound.context import SendContext
from store.directory.sending_pause import read_pause
from store.errors import StoreError
from store.transaction import Tx

T = TypeVar("T")

LOOK_SECONDS: Final = 10.0  # the longest that what nobody rang for waits to be seen
AFTER_TROUBLE_SECONDS: Final = 3.0
log = structlog.get_logger("relay.jobs")


class Worker(ABC, Generic[T]):
    """What is the same for everything that goes out; while sending is paused, nothing does."""

    def __init__(
        self, send_context: SendContext, *, topic: str, at_once: int, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._ctx = send_context
        self._topic = topic
        self._at_once = at_once
        self._look_seconds = look_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._called = asyncio.Event()  # something may be due since the last look
        self._stop = False

    @abstractmethod
    def next_due(self, tx: Tx) -> datetime | None:
        """When the next one is due; None when none is."""

    @abstractmethod
    def claim(self, tx: Tx, room: int, *, now: datetime) -> Sequence[T]:
        """Up to *room* that are due, taken for as long as the office's lease."""

    @abstractmethod
    async def send(self, item: T) -> None:
        """Deal with one that was claimed. Raises nothing."""

    def start(self) -> None:
        """Begin: what is due already is found at once."""
        # Not by waiting(), which on SQLite would have the file looked at all the time for other processes' commits.
        self._ctx.store.notifier.subscribe(self._on_commit)
        self._worker = asyncio.ensure_future(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Claim nothing more, and let what is under way end within *grace_seconds*; what is cut off keeps its lease."""
        self._stop = True
        self._called.set()
        if self._worker is not None:
            await self._worker  # never cancelled: what was claimed meanwhile would wait for its lease's end
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_commit(self, topics: frozenset[str]) -> None:
        if self._topic in topics:
            self._called.set()

    async def _work(self) -> None:
        while not self._stop:
            self._called.clear()  # before looking, so that no commit slips between
            seconds = await self._begin_due()
            if self._stop:  # its call may have come before
                return
            await rest(self._called, seconds)

    async def _begin_due(self) -> float:
        """Begin what is due, as much as there is room for; answers how many seconds later to look again."""
        try:
            now, due = self._ctx.clock.now(), await self._ctx.store.read(self._next_due)
            if due is None or due > now:
                return self._look_seconds if due is None else min(self._look_seconds, (due - now).total_seconds())
            room = self._at_once - len(self._tasks)
            if room == 0:
                return self._look_seconds  # whatever ends calls
            claimed = () if self._stop else await self._claim(room)
        except StoreError as error:
            log.warning("worker_poll_failed", worker=type(self).__name__.lower(), error=type(error).__name__)
            return min(AFTER_TROUBLE_SECONDS, self._look_seconds)
        except Exception:  # whatever it was, mail is not to lie until somebody starts this anew
            log.exception("worker_failed", worker=type(self).__name__.lower())
            return min(AFTER_TROUBLE_SECONDS, self._look_seconds)
        for item in claimed:
            task = asyncio.ensure_future(self.send(item))
            self._tasks.add(task)
            task.add_done_callback(self._on_end)
        return 0 if claimed else 1  # another process has just taken them

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if len(self._tasks) == self._at_once:
            self._called.set()  # there is room again
        self._tasks.discard(task)

    async def _claim(self, room: int) -> Sequence[T]:
        now = self._ctx.clock.now()
        return await self._ctx.store.write(lambda tx: self.claim(tx, room, now=now))

    def _next_due(self, tx: Tx) -> datetime | None:
        return None if read_pause(tx) is not None else self.next_due(tx)
