"""Cleaning: what is past its time goes, a small batch a transaction, and mail goes first.

Every daemon on a database may do this at once: the store's queries take rows that nobody else has.
What a round leaves, because it was stopped or failed, the next one finds.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import structlog

from relay.clock import Clock
from relay.jobs.pace import FIRST_ROWS, next_rows
from relay.jobs.schedule import Rest, rest
from relay.metrics import RemovedKind
from store.database.checkpoint import checkpoint
from store.directory.sessions import delete_expired_user_sessions
from store.directory.used_links import delete_used_links
from store.engine import Store
from store.mail.body_gc import WalkPosition, collect_bodies, collect_chunks, forget_chunks
from store.transaction import Tx
from store.upkeep.retention import (
    ExpiredMessages,
    delete_expired_messages,
    delete_old_attempts,
    delete_old_deliveries,
    delete_old_idempotency_keys,
    delete_old_letters,
    delete_old_usage_events,
)

LEFT_OVER: Final = timedelta(days=1)  # what came so long ago and has no message belongs to no mail on its way
_LEAST_REST_SECONDS: Final = 0.005

_OLD_ROWS: Final[Mapping[RemovedKind, Callable[..., int]]] = {
    "sessions": delete_expired_user_sessions,
    "idempotency_keys": delete_old_idempotency_keys,
    "attempts": delete_old_attempts,
    "deliveries": delete_old_deliveries,
    "letters": delete_old_letters,
    "usage_events": delete_old_usage_events,
    "used_links": delete_used_links,
}
# In this order: the first leaves the chunks of long contents to the second.
_WALKS: Final[Mapping[RemovedKind, Callable[..., WalkPosition]]] = {"bodies": collect_bodies, "chunks": collect_chunks}

T = TypeVar("T")
log = structlog.get_logger("relay.jobs")


class Cleaning:
    """The rounds that remove; they learn by themselves how large a batch may be."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        count: Callable[[RemovedKind, int], None],
        stopwatch: Callable[[], float] = time.perf_counter,
        rest: Rest = rest,
    ) -> None:
        """*count* is told how many rows of a kind have gone; *stopwatch* answers seconds since whenever."""
        self._store = store
        self._clock = clock
        self._count = count
        self._stopwatch = stopwatch
        self._rest = rest
        self._rows: defaultdict[RemovedKind, int] = defaultdict(lambda: FIRST_ROWS)

    async def remove_expired(self, stop: asyncio.Event) -> None:
        """A round: everything whose time was over when it began. Raises Unavailable."""
        now = self._clock.now()
        with self._told(_tell_rows) as removed:
            await self._remove_messages(partial(delete_expired_messages, now=now), stop, removed)
            for kind, ask in _OLD_ROWS.items():
                await self._remove(kind, partial(ask, now=now), stop, removed)

    async def collect_leftovers(self, stop: asyncio.Event) -> None:
        """A round: what mails that died on their way, and agents that were deleted, have left. Raises Unavailable."""
        before = self._clock.now() - LEFT_OVER
        with self._told(_tell_leftovers) as removed:
            for kind, ask in _WALKS.items():
                await self._walk(kind, partial(ask, before=before), stop, removed)

    async def _remove_messages(
        self, ask: Callable[..., ExpiredMessages], stop: asyncio.Event, removed: Counter[RemovedKind]
    ) -> None:
        while not stop.is_set():
            gone = await self._batch("messages", ask, stop, filled=lambda gone: gone.count)
            removed["messages"] += gone.count
            for body in gone.long_bodies:
                chunks = partial(forget_chunks, sha256=body.sha256, until=body.created_at)
                await self._remove("chunks", chunks, stop, removed)
            if not gone.count:
                return

    async def _remove(
        self, kind: RemovedKind, ask: Callable[..., int], stop: asyncio.Event, removed: Counter[RemovedKind]
    ) -> None:
        """Batches until one finds nothing."""
        while not stop.is_set():
            rows = await self._batch(kind, ask, stop, filled=int)
            removed[kind] += rows
            if not rows:
                return

    async def _walk(
        self, kind: RemovedKind, ask: Callable[..., WalkPosition], stop: asyncio.Event, removed: Counter[RemovedKind]
    ) -> None:
        """Steps until one has come to the end."""
        after: str | None = ""
        while after is not None and not stop.is_set():
            step = await self._batch(kind, partial(ask, after=after), stop, filled=lambda step: step.scanned)
            removed[kind] += step.removed
            after = step.after

    async def _batch(
        self, kind: RemovedKind, ask: Callable[..., T], stop: asyncio.Event, *, filled: Callable[[T], int]
    ) -> T:
        """What *ask* answers, in a transaction; then the writer is left to others for as long as it was held.

        *filled* tells how much of its bound an answer has used. A batch touches pages all over a SQLite
        file: they are brought there before any commit has to stop for it.
        """
        limit = self._rows[kind]

        def unit(tx: Tx) -> tuple[T, float]:
            tx.flush()  # what others have put off is not ours to be measured by
            began = self._stopwatch()
            return ask(tx, limit=limit), self._stopwatch() - began

        answer, seconds = await self._store.write(unit)
        self._rows[kind] = next_rows(limit, filled=filled(answer), seconds=seconds)
        await checkpoint(self._store)
        await self._rest(stop, max(_LEAST_REST_SECONDS, seconds))
        return answer

    @contextmanager
    def _told(self, tell: Callable[[Mapping[str, int]], None]) -> Iterator[Counter[RemovedKind]]:
        """What a round counts, for the log and the metrics; a round that fails has removed something too."""
        removed: Counter[RemovedKind] = Counter()
        try:
            yield removed
        finally:
            found = {kind: rows for kind, rows in removed.items() if rows}
            for kind, rows in found.items():
                self._count(kind, rows)
            if found:
                tell({str(kind): rows for kind, rows in found.items()})


def _tell_rows(removed: Mapping[str, int]) -> None:
    log.info("rows_removed", **removed)


def _tell_leftovers(removed: Mapping[str, int]) -> None:
    log.info("leftovers_removed", **removed)
