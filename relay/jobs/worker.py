"""A worker: claims due rows from the store and handles several at once, from start() to stop().

A commit that makes a row due wakes the worker at once. A row that falls due later, or that another process wrote to
the same SQLite file, is found by polling. Every daemon on a database runs workers: each row is claimed by one of
them, under a lease.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar

import structlog

from relay.outbound.context import SendContext
from relay.tasks import TaskSet, rest
from store.directory.sending_pause import read_pause
from store.errors import StoreError, words_of
from store.transaction import Tx

T = TypeVar("T")

LOOK_SECONDS: Final = 10.0  # the longest delay of a row whose commit did not wake this process
AFTER_TROUBLE_SECONDS: Final = 3.0
log = structlog.get_logger("relay.jobs")


class Worker(ABC, Generic[T]):
    """The loop that all outgoing work shares. While sending is paused, nothing is claimed."""

    def __init__(
        self, send_context: SendContext, *, topic: str, at_once: int, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._ctx = send_context
        self._topic = topic
        self._at_once = at_once
        self._look_seconds = look_seconds
        self._tasks = TaskSet()
        self._loop: asyncio.Task[None] | None = None
        self._called = asyncio.Event()  # a row may have become due, or a slot free, since the last look
        self._stop = False

    @abstractmethod
    def next_due(self, tx: Tx) -> datetime | None:
        """When the next row is due; None when no row waits."""

    @abstractmethod
    def claim(self, tx: Tx, limit: int, *, now: datetime) -> Sequence[T]:
        """Claim up to *limit* due rows for as long as the context's lease."""

    @abstractmethod
    async def send(self, item: T) -> None:
        """Handle one claimed row. Raises nothing."""

    def start(self) -> None:
        """Begin: rows that are due already are claimed at once."""
        # Not Notifier.waiting(): on SQLite it would poll the file all the time for other processes' commits.
        self._ctx.store.notifier.subscribe(self._on_commit)
        self._loop = asyncio.ensure_future(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Claim nothing more, and let running work end within *grace_seconds*; cancelled work keeps its lease."""
        self._stop = True
        self._called.set()
        if self._loop is not None:
            await self._loop  # not cancelled: rows claimed at this moment would wait until their lease ends
        await self._tasks.drain(grace_seconds)

    def _on_commit(self, topics: frozenset[str]) -> None:
        if self._topic in topics:
            self._called.set()

    async def _work(self) -> None:
        while not self._stop:
            self._called.clear()  # before looking, so that a commit in between is not missed
            seconds = await self._begin_due()
            if self._stop:  # stop() may have set the event before the clear
                return
            await rest(self._called, seconds)

    async def _begin_due(self) -> float:
        """Begin due rows as far as slots are free; return the seconds until the next look."""
        try:
            now, due = self._ctx.clock.now(), await self._ctx.store.read(self._next_due)
            if due is None or due > now:
                return self._look_seconds if due is None else min(self._look_seconds, (due - now).total_seconds())
            slots = self._at_once - len(self._tasks)
            if slots == 0:
                return self._look_seconds  # the end of a task wakes the loop
            claimed = () if self._stop else await self._claim(slots)
        except StoreError as error:
            log.warning("worker_poll_failed", worker=type(self).__name__.lower(), error=words_of(error))
            return min(AFTER_TROUBLE_SECONDS, self._look_seconds)
        except Exception:  # the loop must survive a bug: without it mail waits for a restart
            log.exception("worker_failed", worker=type(self).__name__.lower())
            return min(AFTER_TROUBLE_SECONDS, self._look_seconds)
        for item in claimed:
            self._tasks.spawn(self.send(item)).add_done_callback(self._on_end)
        return 0 if claimed else 1  # 1: another process has just claimed them

    def _on_end(self, _task: asyncio.Task[None]) -> None:
        if len(self._tasks) == self._at_once - 1:
            self._called.set()  # the first free slot

    async def _claim(self, slots: int) -> Sequence[T]:
        now = self._ctx.clock.now()
        return await self._ctx.store.write(lambda tx: self.claim(tx, slots, now=now))

    def _next_due(self, tx: Tx) -> datetime | None:
        return None if read_pause(tx) is not None else self.next_due(tx)
