"""Record delivered events together: one write at a time, for all that were delivered meanwhile.

A delivery that is not recorded yet is posted again after a crash, under the same event id; so few may wait.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from relay.delivery.attempt import DeliveryContext, Endpoint, decide, note_outcome, record
from relay.delivery.outcome import Delivered, Outcome, WebhookAnswer
from relay.errors import RelayError
from store.errors import StoreError, Unavailable, words_of
from store.mail.deliveries import settle_delivered
from store.records.mail import Attempt, Claim
from store.transaction import Tx

MOST_AT_ONCE: Final = 64  # in one unit of the store
MOST_WAITING: Final = 4 * MOST_AT_ONCE

log = structlog.get_logger("relay.delivery")
_Made = tuple[Claim, WebhookAnswer, datetime, Endpoint]


class Settler:
    """Records outcomes; delivered ones are gathered."""

    def __init__(self, ctx: DeliveryContext) -> None:
        self._ctx = ctx
        self._waiting: list[_Made] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(self, claim: Claim, answer: WebhookAnswer, at: datetime, endpoint: Endpoint) -> Outcome:
        """Decide what *answer* means, and record it; returns before the commit when the event was delivered.

        Raises the store's errors for other outcomes.
        """
        decided = decide(claim, answer, ctx=self._ctx)
        if not isinstance(decided, Delivered):
            return await record(claim, answer, at, endpoint, ctx=self._ctx, decided=decided)
        self._waiting.append((claim, answer, at, endpoint))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write_all())
        if len(self._waiting) > MOST_WAITING:
            await asyncio.shield(self._writing)
        return decided

    async def drain(self) -> None:
        """Return when all that was delivered is recorded."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                made, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._write(made)
        finally:
            self._writing = None

    async def _write(self, made: Sequence[_Made]) -> None:
        now = self._ctx.clock.now()
        tried = [
            Attempt(at=at, duration_ms=answer.duration_ms, status=answer.status, error=None)
            for _, answer, at, _ in made
        ]

        def unit(tx: Tx) -> None:
            for (claim, *_), attempt in zip(made, tried, strict=True):
                settle_delivered(tx, claim, attempt, now=now)

        try:
            await self._ctx.store.write(unit)
        except Unavailable as error:
            for claim, *_ in made:
                _log_lost(claim, error)
        except StoreError:
            await self._write_each(made)
        else:
            for (claim, *_), attempt in zip(made, tried, strict=True):
                note_outcome(claim, attempt, Delivered(), now=now, ctx=self._ctx)

    async def _write_each(self, made: Sequence[_Made]) -> None:
        """Record them one by one: the store refuses one of them, and all of a unit with it."""
        for claim, answer, at, endpoint in made:
            try:
                await record(claim, answer, at, endpoint, ctx=self._ctx)
            except (StoreError, RelayError) as error:
                _log_lost(claim, error)


def _log_lost(claim: Claim, error: Exception) -> None:
    """Not recorded, so it is posted again when its lease ends: at least once, never lost."""
    log.warning("delivery_attempt_lost", delivery_id=claim.delivery.id, error=words_of(error))
