"""Periodic jobs for holds: carry out expired ones, and mark interrupted sends ``unconfirmed``.

Several daemons may run them on one database: each message is claimed by one process.
"""

import asyncio
from typing import Final

import structlog

from relay.errors import RelayError
from relay.outbound.context import SendContext
from relay.outbound.review import expire
from store.errors import NotFound, NotPendingApproval, SendingPaused, StoreError, Unavailable, words_of
from store.outbound.holds import list_expired_pending
from store.outbound.unconfirmed import sweep_unconfirmed
from store.records.outbound import ExpiredHold

AT_ONCE: Final = 4
BATCH: Final = 200  # messages of one query
_INTERRUPTED: Final = "the sending process died, or lost the provider's answer"
log = structlog.get_logger("relay.jobs")


class Holds:
    """The expiry job and the sweep of interrupted sends."""

    def __init__(self, send_context: SendContext) -> None:
        self._ctx = send_context

    async def expire_due(self, stop: asyncio.Event) -> None:
        """One round: carry out the agent owner's expiry action for each expired hold. Raises Unavailable."""
        slots = asyncio.Semaphore(AT_ONCE)
        while not stop.is_set():
            now = self._ctx.clock.now()
            due = await self._ctx.store.read(lambda tx: list_expired_pending(tx, limit=BATCH, now=now))  # noqa: B023
            done = await asyncio.gather(*[self._expire(hold, slots, stop) for hold in due])
            if not any(done):  # no hold left, or the rest must wait: sending is paused, or the provider is busy
                return

    async def sweep(self, stop: asyncio.Event) -> None:
        """One round: mark sends whose lease has ended ``unconfirmed``. Raises Unavailable."""
        while not stop.is_set():
            now = self._ctx.clock.now()
            swept = await self._ctx.store.write(lambda tx: sweep_unconfirmed(tx, limit=BATCH, now=now))  # noqa: B023
            for message_id in swept:
                log.warning("send_unconfirmed", message_id=message_id, error=_INTERRUPTED)
            if not swept:
                return

    async def _expire(self, hold: ExpiredHold, slots: asyncio.Semaphore, stop: asyncio.Event) -> bool:
        """Whether the hold has ended here. Another process may have ended it first."""
        async with slots:
            if stop.is_set():
                return False
            try:
                await expire(hold, ctx=self._ctx)
            except (NotPendingApproval, NotFound):
                return False
            except Unavailable:
                raise
            except (SendingPaused, RelayError, StoreError) as error:
                log.warning("hold_send_failed", message_id=hold.message_id, error=words_of(error))
                return False
        return True
