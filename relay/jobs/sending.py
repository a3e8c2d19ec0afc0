"""Mail of agents, from the queue to the provider."""

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

AT_ONCE: Final = 8  # mails on their way to the provider


class Sending(Worker[Outgoing]):
    """Sends what is queued. What stop() cuts off is ``unconfirmed`` once its lease is over."""

    def __init__(self, send_context: SendContext, *, at_once: int = AT_ONCE) -> None:
        super().__init__(send_context, topic=SENDING, at_once=at_once)

    def next_due(self, tx: Tx) -> datetime | None:
        """When the next queued mail is due."""
        return next_to_send_at(tx)

    def claim(self, tx: Tx, room: int, *, now: datetime) -> Sequence[Outgoing]:
        """Up to *room* mails."""
        return claim_queued(tx, limit=room, lease=self._ctx.lease, now=now)

    async def send(self, item: Outgoing) -> None:
        """Hand one over, and write down what became of it."""
        with suppress(StoreError):  # told already; the lease says what is true meanwhile
            await send_queued(item, ctx=self._ctx)
