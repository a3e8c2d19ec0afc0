"""Holds whose time is over, and sends that were cut off: each taken by one of however many processes there are."""

import asyncio
from typing import Final

import structlog

from relay.errors import RelayError
from relay.outbound.context import SendContext
from relay.outbound.review import expire
from store.errors import NotFound, NotPendingApproval, SendingPaused, StoreError, Unavailable
from store.outbound.holds import list_expired_pending
from store.outbound.unconfirmed import sweep_unconfirmed
from store.records.outbound import ExpiredHold

AT_ONCE: Final = 4
MOST: Final = 200  # of a round's one look
log = structlog.get_logger("relay.jobs")


class Holds:
    """The rounds."""

    def __init__(self, send_context: SendContext) -> None:
        self._ctx = send_context

    async def expire_due(self, stop: asyncio.Event) -> None:
        """A round: do what agents' owners want done about holds that nobody decided. Raises Unavailable."""
        slots = asyncio.Semaphore(AT_ONCE)
        while not stop.is_set():
            now = self._ctx.clock.now()
            due = await self._ctx.store.read(lambda tx: list_expired_pending(tx, limit=MOST, now=now))  # noqa: B023
            done = await asyncio.gather(*[self._expire(hold, slots, stop) for hold in due])
            if not any(done):  # the rest cannot be dealt with now: paused, or put off a little
                return

    async def sweep(self, stop: asyncio.Event) -> None:
        """A round: sends whose process died, or lost the answer, are in doubt from now on. Raises Unavailable."""
        while not stop.is_set():
            now = self._ctx.clock.now()
            swept = await self._ctx.store.write(lambda tx: sweep_unconfirmed(tx, limit=MOST, now=now))  # noqa: B023
            for message_id in swept:
                log.warning("send_unconfirmed", message_id=message_id, error="its sender died, or lost the answer")
            if not swept:
                return

    async def _expire(self, hold: ExpiredHold, slots: asyncio.Semaphore, stop: asyncio.Event) -> bool:
        """Whether it waits no longer; another process may have dealt with it meanwhile."""
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
                log.warning("hold_send_failed", message_id=hold.message_id, error=str(error))
                return False
        return True
