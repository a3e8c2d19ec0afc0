"""Post events straight from memory: their deliveries are inserted claimed, and nothing is read back from the store.

``relay/inbound/keep.py`` reserves memory before its transaction and hands over after the commit. What finds no memory,
or arrives while an agent's due deliveries wait in the store, is inserted unclaimed and comes by a claim
(relay/delivery/dispatch.py). A claim of a process that died falls due when its lease ends, or when the next process
starts alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog

from relay.delivery.agent_queue import AgentQueue, StraightItem
from relay.delivery.attempt import DeliveryContext, Endpoint, InboundSubject, attempt, read_endpoint
from relay.delivery.memory import WebhookMemory
from relay.delivery.outcome import EndpointGone
from relay.delivery.settler import Settler
from relay.errors import RelayError
from relay.events.reading import MailReading
from relay.tasks import TaskSet
from relay.threads import OFF_LOOP_BYTES
from store.errors import StoreError, words_of
from store.mail.deliveries import release
from store.records.mail import Claim, FirstClaim
from store.transaction import Tx
from store.wake import DELIVERIES

_WEIGHT: Final = 2  # a mail's bytes in memory, with its header fields and its event
_ITEM_BYTES: Final = 4096  # of its records

log = structlog.get_logger("relay.delivery")


class Reserved:
    """Memory for the webhooks of one mail; it is freed unless it is handed over."""

    def __init__(self, line: "StraightLine", changes: dict[str, int], size: int, until: datetime) -> None:
        self._line = line
        self._changes = changes  # of each agent whose delivery may be inserted claimed
        self._size = size
        self._until = until

    def until(self, agent: str) -> datetime | None:
        """The end of the claim that the agent's delivery is inserted with; None: it is inserted unclaimed."""
        return self._until if agent in self._changes else None

    def hand_over(self, claimed: Sequence[FirstClaim], reading: MailReading) -> None:
        """Have committed deliveries posted."""
        for first in claimed:
            changes = self._changes.pop(first.message.agent)
            subject = InboundSubject(first.message, reading)
            self._line.post_soon(StraightItem(first, subject, self._size, changes))

    def free(self, memory: WebhookMemory) -> None:
        """Free what was not handed over."""
        for agent in self._changes:
            memory.give(agent, self._size)


class StraightLine:
    """Events that this process inserted claimed, from their commit to their post."""

    def __init__(
        self,
        ctx: DeliveryContext,
        settler: Settler,
        tasks: TaskSet,
        queue_of: Callable[[str], AgentQueue],
        *,
        at_once: int,
        lease: timedelta,
        memory_bytes: int,
    ) -> None:
        self._ctx = ctx
        self._settler = settler
        self._tasks = tasks
        self._queue_of = queue_of
        self._at_once = at_once
        self._lease = lease
        self._memory = WebhookMemory(memory_bytes)

    @contextmanager
    def reserve(self, agents: Sequence[str], size: int) -> Iterator[Reserved]:
        """Reserve memory for a mail of *size* bytes to *agents*, for each of them that may have it."""
        needed = _WEIGHT * size + _ITEM_BYTES
        may = size <= OFF_LOOP_BYTES and not self._tasks.is_closed
        changes = {agent: self._queue_of(agent).changes for agent in agents if may and self._take(agent, needed)}
        reserved = Reserved(self, changes, needed, self._ctx.clock.now() + self._lease)
        try:
            yield reserved
        finally:
            reserved.free(self._memory)

    def post_soon(self, item: StraightItem) -> None:
        """Post a committed delivery as soon as its agent has a slot."""
        queue = self._queue_of(item.first.message.agent)
        queue.straight.append(item)
        self._begin(queue)

    async def give_back(self, queues: Sequence[AgentQueue]) -> None:
        """Release all claims whose posts have not begun, at a stop."""
        for queue in queues:
            items = [queue.straight.popleft() for _ in range(len(queue.straight))]
            await self._release(items)

    def _take(self, agent: str, needed: int) -> bool:
        """Whether the agent's delivery goes straight; not before those that wait in the store."""
        if self._queue_of(agent).is_behind:
            return False
        if self._memory.take(agent, needed):
            return True
        self._ctx.count_bound("webhook_memory")
        return False

    def _begin(self, queue: AgentQueue) -> None:
        if queue.posters < min(self._at_once, len(queue.straight)) and not self._tasks.is_closed:
            queue.posters += 1
            self._tasks.spawn(self._post_all(queue))

    async def _post_all(self, queue: AgentQueue) -> None:
        """Post one after the other while there are any."""
        try:
            while queue.straight and not self._tasks.is_closed:
                await queue.slots.acquire()
                try:
                    if queue.straight and not self._tasks.is_closed:
                        await self._post(queue, queue.straight.popleft())
                finally:
                    queue.slots.release()
        finally:
            queue.posters -= 1
            self._begin(queue)

    async def _post(self, queue: AgentQueue, item: StraightItem) -> None:
        claim = item.first.claim
        try:
            if self._is_stale(claim):
                await self._release([item, *self._take_stale(queue)])
                return
            endpoint = await self._endpoint(queue, item)
            if not endpoint.is_on:
                await self._release([item])
                return
            decided = await attempt(claim, item.subject, endpoint, ctx=self._ctx, recording=self._settler.record)
            if isinstance(decided, EndpointGone):
                queue.gone = True
                queue.note_change()
        except (StoreError, RelayError) as error:
            # Not recorded, so it is tried again when its lease ends: at least once, never lost.
            log.warning("delivery_attempt_lost", delivery_id=claim.delivery.id, error=words_of(error))
        finally:
            self._memory.give(queue.agent, item.size)

    async def _endpoint(self, queue: AgentQueue, item: StraightItem) -> Endpoint:
        known = queue.known_endpoint(item, now=self._ctx.clock.now())
        if known is not None:
            return known
        changes = queue.changes
        found = await read_endpoint(queue.agent, ctx=self._ctx)
        if changes == queue.changes:
            queue.keep_endpoint(found)
        return found

    def _is_stale(self, claim: Claim) -> bool:
        """Whether the lease could end before a post that begins now."""
        return (claim.until - self._ctx.clock.now()).total_seconds() < self._ctx.poster.total_seconds

    def _take_stale(self, queue: AgentQueue) -> list[StraightItem]:
        """Take from the queue what has waited too long; the oldest are first."""
        found = []
        while queue.straight and self._is_stale(queue.straight[0].first.claim):
            found.append(queue.straight.popleft())
            self._memory.give(queue.agent, found[-1].size)
        return found

    async def _release(self, items: Sequence[StraightItem]) -> None:
        """Make the deliveries of *items* due now, to be claimed from the store."""
        if not items:
            return
        now = self._ctx.clock.now()

        def unit(tx: Tx) -> None:
            for item in items:
                release(tx, item.first.claim, now=now)
                tx.wake(DELIVERIES + item.first.message.agent)

        await self._ctx.store.write(unit)
