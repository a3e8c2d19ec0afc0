"""Letters to people: sent as they are asked for, a few at once, until the daemon stops.

A commit that asks for one rings; what falls due later, or was asked for by another process, is found by looking.
Every daemon on a database may do this: a letter is taken by one of them, under a lease.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from relay.directory.sign_in import sign_in_link
from relay.outbound.notify import NO_COURIER, notify
from relay.outbound.office import Office
from store.errors import StoreError
from store.notifications import claim_due_letters, next_letter_due
from store.records_people import Letter
from store.switches import read_pause
from store.transaction import Tx
from store.wake import LETTERS

AT_ONCE: Final = 4
LOOK_SECONDS: Final = 10.0  # the longest that a letter which nobody rang for waits to be seen
log = structlog.get_logger("relay.jobs")


class LetterRound:
    """Runs from start() to stop() on the running loop."""

    def __init__(
        self,
        office: Office,
        *,
        at_once: int = AT_ONCE,
        look_seconds: float = LOOK_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """*chance* answers numbers in [0, 1)."""
        self._by = office
        self._at_once = at_once
        self._look_seconds = look_seconds
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._called = asyncio.Event()  # something may be due since the last look
        self._stop = False
        self._has_told = False  # that nothing is sent from here

    def start(self) -> None:
        """Begin: what is due already is found at once."""
        # Not by waiting(), which on SQLite would have the file looked at all the time for other processes' commits.
        self._by.store.bell.listen(self._on_commit)
        self._worker = asyncio.ensure_future(self._work())

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing new, and let letters under way end within *grace_seconds*; those cut off are sent again."""
        self._stop = True
        self._called.set()
        if self._worker is not None:
            await self._worker  # never cancelled: a letter that was claimed meanwhile would wait for its lease's end
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_commit(self, topics: frozenset[str]) -> None:
        if LETTERS in topics:
            self._called.set()

    async def _work(self) -> None:
        while not self._stop:
            self._called.clear()
            seconds = await self._begin_due()
            if self._stop:  # its call may have come before
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._called.wait()

    async def _begin_due(self) -> float:
        """Begin what is due, as much as there is room for; answers how many seconds later to look again."""
        try:
            now = self._by.clock.now()
            due = await self._by.store.read(_next_due)
            if due is None or due > now:
                left = self._look_seconds if due is None else (due - now).total_seconds()
                return min(left, self._look_seconds)
            while len(self._tasks) >= self._at_once:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            claimed = await self._claim(self._at_once - len(self._tasks))
            for letter in claimed:
                self._spawn(letter)
        except StoreError as error:
            log.warning("letters not looked for", error=type(error).__name__)
            return self._look_seconds
        return 0 if claimed else 1  # another process has just taken them

    async def _claim(self, room: int) -> list[Letter]:
        now, lease = self._by.clock.now(), self._by.lease
        return await self._by.store.write(lambda tx: claim_due_letters(tx, limit=room, lease=lease, now=now))

    def _spawn(self, letter: Letter) -> None:
        task = asyncio.ensure_future(self._send(letter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, letter: Letter) -> None:
        try:
            told = await notify(letter, by=self._by, sign_in=self._sign_in, jitter=self._chance())
            if told.why == NO_COURIER and not self._has_told:
                self._has_told = True
                log.warning("letters off", why=NO_COURIER)
        except StoreError as error:
            # Not settled, so the lease ends and it is sent again.
            log.warning("letter lost", letter_id=letter.id, error=type(error).__name__)
        except Exception:
            log.exception("letter lost", letter_id=letter.id)

    def _sign_in(self, user_id: str, now: datetime) -> str:
        return sign_in_link(
            user_id,
            base_url=self._by.base_url,
            key=self._by.master.links,
            nonce=secrets.token_urlsafe(16),
            now=now,
        )


def _next_due(tx: Tx) -> datetime | None:
    """When the next letter is due; None when none is, or all sending is stopped."""
    return None if read_pause(tx) is not None else next_letter_due(tx)
