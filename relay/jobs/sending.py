"""Send queued messages to the provider, several at once."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from relay.jobs.worker import Worker
from relay.outbound.context import SendContext
from relay.outbound.send import send_queued
from store.errors import StoreError
from store.outbound.sending import claim_queued, next_to_send_at
from store.records.outbound import Outgoing
from store.transaction import Tx
from store.wake import SENDING

AT_ONCE: Final = 8  # messages that are handed over at the same time


class Sending(Worker[Outgoing]):
    """Sends queued messages.

    A hand-over that stop() has to cancel leaves its message ``sending``; when the lease ends it is ``unconfirmed``.
    """

    def __init__(self, send_context: SendContext, *, at_once: int = AT_ONCE) -> None:
        super().__init__(send_context, topic=SENDING, at_once=at_once)

    def next_due(self, tx: Tx) -> datetime | None:
        """When the next queued message is due."""
        return next_to_send_at(tx)

    def claim(self, tx: Tx, limit: int, *, now: datetime) -> Sequence[Outgoing]:
        """Claim up to *limit* due messages."""
        return claim_queued(tx, limit=limit, lease=self._ctx.lease, now=now)

    async def send(self, item: Outgoing) -> None:
        """Hand one message over and settle its attempt."""
        with suppress(StoreError):  # logged already; the end of the lease settles the attempt
            await send_queued(item, ctx=self._ctx)
