"""Remove expired rows in small batches, so that mail never waits long for the writer.

Every daemon on a database may run this job: the queries skip rows that another daemon has locked. A round that is
stopped or fails leaves its rest to the next round.
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
from relay.jobs.schedule import Rest
from relay.metrics import RemovedKind
from relay.tasks import rest
from store.database.checkpoint import checkpoint
from store.directory.sessions import delete_expired_user_sessions
from store.directory.used_links import delete_used_links
from store.engine import Store
from store.mail.awaited import delete_expired_awaited
from store.mail.body_gc import WalkPosition, collect_bodies, collect_chunks, forget_chunks
from store.mail.received_digests import delete_old_digests
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

TARGET_SECONDS: Final = 0.012  # a batch in the writer; its commit comes on top
FIRST_ROWS: Final = 8
MOST_ROWS: Final = 1000
LEFT_OVER: Final = timedelta(days=1)  # bytes this old without a message belong to no mail that is still arriving
_LEAST_REST_SECONDS: Final = 0.005

_OLD_ROWS: Final[Mapping[RemovedKind, Callable[..., int]]] = {
    "sessions": delete_expired_user_sessions,
    "idempotency_keys": delete_old_idempotency_keys,
    "attempts": delete_old_attempts,
    "deliveries": delete_old_deliveries,
    "letters": delete_old_letters,
    "usage_events": delete_old_usage_events,
    "used_links": delete_used_links,
    "digests": delete_old_digests,
    "awaited_ids": delete_expired_awaited,
}
# In this order: the first leaves the chunks of long contents to the second.
_WALKS: Final[Mapping[RemovedKind, Callable[..., WalkPosition]]] = {"bodies": collect_bodies, "chunks": collect_chunks}

T = TypeVar("T")
log = structlog.get_logger("relay.jobs")


def next_rows(rows: int, *, filled: int, seconds: float) -> int:
    """The bound of the next batch, after one that used *filled* of its *rows* and took *seconds*.

    Half after a batch that took too long. A little more after a quick batch that used its whole bound: a batch that
    found fewer rows does not show what a full one takes.
    """
    if seconds > TARGET_SECONDS:
        return max(1, rows // 2)
    if filled < rows or seconds > TARGET_SECONDS / 2:
        return rows
    return min(MOST_ROWS, rows + 1 + rows // 8)


class Cleaning:
    """The jobs that remove rows. The size of a batch follows the time that batches took."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        count: Callable[[RemovedKind, int], None],
        stopwatch: Callable[[], float] = time.perf_counter,
        rest: Rest = rest,
    ) -> None:
        """*count* gets the number of rows removed of a kind; *stopwatch* returns seconds since a fixed moment."""
        self._store = store
        self._clock = clock
        self._count = count
        self._stopwatch = stopwatch
        self._rest = rest
        self._rows: defaultdict[RemovedKind, int] = defaultdict(lambda: FIRST_ROWS)

    async def remove_expired(self, stop: asyncio.Event) -> None:
        """Run a round: remove all rows that had expired when it began. Raises Unavailable."""
        now = self._clock.now()
        with self._counted(_log_rows) as removed:
            await self._remove_messages(partial(delete_expired_messages, now=now), stop, removed)
            for kind, ask in _OLD_ROWS.items():
                await self._remove(kind, partial(ask, now=now), stop, removed)

    async def collect_leftovers(self, stop: asyncio.Event) -> None:
        """Run a round: remove bytes without a message, of aborted mails and deleted agents. Raises Unavailable."""
        before = self._clock.now() - LEFT_OVER
        with self._counted(_log_leftovers) as removed:
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
        """Remove batches until one is empty."""
        while not stop.is_set():
            rows = await self._batch(kind, ask, stop, filled=int)
            removed[kind] += rows
            if not rows:
                return

    async def _walk(
        self, kind: RemovedKind, ask: Callable[..., WalkPosition], stop: asyncio.Event, removed: Counter[RemovedKind]
    ) -> None:
        """Walk over all contents, a batch at a time."""
        after: str | None = ""
        while after is not None and not stop.is_set():
            step = await self._batch(kind, partial(ask, after=after), stop, filled=lambda step: step.scanned)
            removed[kind] += step.removed
            after = step.after

    async def _batch(
        self, kind: RemovedKind, ask: Callable[..., T], stop: asyncio.Event, *, filled: Callable[[T], int]
    ) -> T:
        """Run *ask* in a transaction, then leave the writer to others for as long as it was held.

        *filled* returns how much of its bound a result has used. A batch touches pages all over a SQLite file: the
        checkpoint writes them to the file before a commit has to.
        """
        limit = self._rows[kind]

        def unit(tx: Tx) -> tuple[T, float]:
            tx.flush()  # work that earlier units deferred does not count as ours
            began = self._stopwatch()
            return ask(tx, limit=limit), self._stopwatch() - began

        answer, seconds = await self._store.write(unit)
        self._rows[kind] = next_rows(limit, filled=filled(answer), seconds=seconds)
        await checkpoint(self._store)
        await self._rest(stop, max(_LEAST_REST_SECONDS, seconds))
        return answer

    @contextmanager
    def _counted(self, log_removed: Callable[[Mapping[str, int]], None]) -> Iterator[Counter[RemovedKind]]:
        """Count the rows of a round for the log and the metrics, also of a round that fails."""
        removed: Counter[RemovedKind] = Counter()
        try:
            yield removed
        finally:
            found = {kind: rows for kind, rows in removed.items() if rows}
            for kind, rows in found.items():
                self._count(kind, rows)
            if found:
                log_removed({str(kind): rows for kind, rows in found.items()})


def _log_rows(removed: Mapping[str, int]) -> None:
    log.info("rows_removed", **removed)


def _log_leftovers(removed: Mapping[str, int]) -> None:
    log.info("leftovers_removed", **removed)
