"""The worker that takes mail from the queue: woken by the commit that queues one, and by the time of the next.

Any number of processes do this at once on one database: a mail is claimed by one of them.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from relay.jobs.schedule import rest
from relay.outbound.office import Office
from relay.outbound.send import send_queued
from store.errors import StoreError
from store.records_outbound import Outgoing
from store.sending import claim_queued, next_to_send_at
from store.switches import read_pause
from store.transaction import Tx
from store.wake import SENDING

AT_ONCE: Final = 8  # mails on their way to the provider
LONGEST_REST_SECONDS: Final = 10.0  # another process may have queued one without our hearing of it
AFTER_TROUBLE_SECONDS: Final = 3.0
_LEAST_REST_SECONDS: Final = 0.05
log = structlog.get_logger("relay.jobs")


class Sending:
    """Sends from start() to stop() on the running loop."""

    def __init__(self, office: Office, *, at_once: int = AT_ONCE) -> None:
        self._by = office
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._called = asyncio.Event()
        self._stop = asyncio.Event()

    def start(self) -> None:
        """Begin to look."""
        # Not waiting(): that is a sign to look into the file of SQLite at short intervals for others' commits.
        self._by.store.bell.listen(self._on_commit)
        self._worker = asyncio.ensure_future(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Claim nothing more, and let what is on its way end within *grace_seconds*.

        What is cut off then is ``sending`` until its lease is over, and ``unconfirmed`` from there on.
        """
        self._stop.set()
        self._called.set()
        if self._worker is not None:
            await self._worker  # never cancelled: a mail that was claimed meanwhile would be in doubt for nothing
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while not self._stop.is_set():
            self._called.clear()  # before looking, so that no commit slips between
            try:
                await self._send_due()
                seconds = await self._seconds_to_next()
            except StoreError as error:
                log.warning("sending rests", error=type(error).__name__)
                seconds = AFTER_TROUBLE_SECONDS
            await rest(self._called, seconds)

    def _on_commit(self, topics: frozenset[str]) -> None:
        if SENDING in topics:
            self._called.set()

    async def _send_due(self) -> None:
        """Claim as many as there are hands free, until none is due."""
        while not self._stop.is_set():
            while len(self._tasks) >= self._at_once:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            claimed = await self._claim(self._at_once - len(self._tasks))
            for outgoing in claimed:
                task = asyncio.ensure_future(self._send(outgoing))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if not claimed:
                return

    async def _claim(self, limit: int) -> list[Outgoing]:
        by, now = self._by, self._by.clock.now()
        return await by.store.write(lambda tx: claim_queued(tx, limit=limit, lease=by.lease, now=now))

    async def _send(self, outgoing: Outgoing) -> None:
        with suppress(StoreError):  # told already; the lease says what is true meanwhile
            await send_queued(outgoing, by=self._by)

    async def _seconds_to_next(self) -> float:
        due = await self._by.store.read(_next_due)
        if due is None:
            return LONGEST_REST_SECONDS
        return min(LONGEST_REST_SECONDS, max(_LEAST_REST_SECONDS, (due - self._by.clock.now()).total_seconds()))


def _next_due(tx: Tx) -> datetime | None:
    return None if read_pause(tx) is not None else next_to_send_at(tx)
