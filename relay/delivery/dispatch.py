"""Dispatch due deliveries to webhooks; each agent has a queue of its own.

A queue has at most N posts in flight and claims its own deliveries, so a slow endpoint delays no other agent. A
commit wakes the agent's queue at once. A sweep finds the deliveries that no commit in this process announced:
retries that fall due, rows of another process, and rows that a crash left claimed. Events of mail that this process
has just stored are posted from memory (relay/delivery/straight.py).
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final

import structlog

from relay.delivery.agent_queue import AgentQueue
from relay.delivery.attempt import (
    DeliveryContext,
    Endpoint,
    EventSubject,
    attempt,
    give_up,
    read_endpoint,
    read_subjects,
)
from relay.delivery.outcome import EndpointGone
from relay.delivery.settler import Settler
from relay.delivery.straight import Reserved, StraightLine
from relay.errors import RelayError
from relay.tasks import TaskSet
from store.errors import StoreError, words_of
from store.mail.deliveries import claim_due, list_due_agents, release
from store.records.mail import Claim
from store.wake import DELIVERIES, ENDPOINT

SWEEP_SECONDS: Final = 1.0  # the longest delay of a delivery that another process created
_LEAST_SWEEP_SECONDS: Final = 0.02
_LEASE_SLACK_SECONDS: Final = 10.0
MOST_LOST_CLAIMS: Final = 20  # a delivery that ends its worker each time must not do so for ever
_BATCH: Final = 8  # one claim query fetches this many times the posts in flight
STRAIGHT_BYTES: Final = 32 * 1024 * 1024  # of mails in memory that wait for their webhooks

log = structlog.get_logger("relay.delivery")


class Dispatcher:
    """Runs from start() to stop() on the running loop."""

    def __init__(
        self,
        delivery_context: DeliveryContext,
        *,
        at_once: int,
        timeout_seconds: float,
        memory_bytes: int = STRAIGHT_BYTES,
    ) -> None:
        self._ctx = delivery_context
        self._at_once = at_once
        self._timeout = timedelta(seconds=timeout_seconds)
        # A process that holds a claim longer than this has died.
        self._lease = timedelta(seconds=timeout_seconds + _LEASE_SLACK_SECONDS)
        self._queues: dict[str, AgentQueue] = {}
        self._tasks = TaskSet()
        self._settler = Settler(delivery_context)
        self._straight = StraightLine(
            delivery_context,
            self._settler,
            self._tasks,
            self._queue_of,
            at_once=at_once,
            lease=self._lease,
            memory_bytes=memory_bytes,
        )
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin: deliveries that are due already are claimed at once."""
        self._ctx.store.notifier.subscribe(self._on_commit)
        self._sweeper = asyncio.ensure_future(self._sweep())

    async def stop(self, grace_seconds: float) -> None:
        """Claim nothing more, release claims not begun, and let running posts end within *grace_seconds*."""
        self._tasks.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for queue in self._queues.values():
            queue.slots.release()  # a queue that waits for a slot must go on, to release its claims
        await self._straight.give_back(list(self._queues.values()))
        await self._tasks.drain(grace_seconds)
        await self._settler.drain()

    def reserve(self, agents: Sequence[str], size: int) -> AbstractContextManager[Reserved]:
        """Reserve memory for a mail of *size* bytes to *agents*, whose events are posted from memory."""
        return self._straight.reserve(agents, size)

    def _on_commit(self, topics: frozenset[str]) -> None:
        for topic in topics:
            if topic.startswith(DELIVERIES):
                self._call(topic.removeprefix(DELIVERIES))
            elif topic.startswith(ENDPOINT) and (queue := self._queues.get(topic.removeprefix(ENDPOINT))):
                queue.note_change()

    def _call(self, agent: str) -> None:
        """Have the agent's queue claim what is due; begin its task if none runs."""
        if self._tasks.is_closed:
            return
        queue = self._queue_of(agent)
        queue.called = True
        if not queue.is_running:
            queue.is_running = True
            self._tasks.spawn(self._run(queue))

    def _queue_of(self, agent: str) -> AgentQueue:
        queue = self._queues.get(agent)
        if queue is None:
            queue = self._queues[agent] = AgentQueue(agent, self._at_once)
        return queue

    async def _run(self, queue: AgentQueue) -> None:
        """Work on the queue until no delivery is due in it."""
        try:
            while queue.called and not self._tasks.is_closed:
                queue.called = False
                while claims := await self._claim(queue):
                    await self._work_off(queue, claims)
        except (StoreError, RelayError) as error:
            # The claims fall due again when their lease ends; the sweep starts the queue again.
            log.warning("delivery_queue_stopped", agent=queue.agent, error=words_of(error))
        finally:
            queue.is_running = False

    async def _claim(self, queue: AgentQueue) -> list[Claim]:
        if self._tasks.is_closed:
            return []
        now = self._ctx.clock.now()
        limit = self._at_once * _BATCH
        claims = await self._ctx.store.write(
            lambda tx: claim_due(tx, queue.agent, limit=limit, lease=self._lease, now=now)
        )
        queue.is_behind = len(claims) == limit
        return claims

    async def _work_off(self, queue: AgentQueue, claims: list[Claim]) -> None:
        """Start a post for each claim as slots come free; the last posts go on while the next claims are made."""
        queue.gone = False
        reading = read_endpoint(queue.agent, ctx=self._ctx), read_subjects(claims, ctx=self._ctx)
        endpoint, subjects = await asyncio.gather(*reading)
        for claim in claims:
            if claim.lost >= MOST_LOST_CLAIMS:
                await give_up(claim, ctx=self._ctx)
                continue
            await queue.slots.acquire()
            subject = subjects.get(claim.delivery.message_id or "")
            if subject is not None and not self._tasks.is_closed and not queue.gone and not self._is_stale(claim):
                self._tasks.spawn(self._post(queue, claim, subject, endpoint))
                continue
            queue.slots.release()
            if subject is not None:  # without its message it would be claimed again at once, without end
                await self._release(claim)

    async def _post(self, queue: AgentQueue, claim: Claim, subject: EventSubject, endpoint: Endpoint) -> None:
        try:
            decided = await attempt(claim, subject, endpoint, ctx=self._ctx, recording=self._settler.record)
            queue.gone = queue.gone or isinstance(decided, EndpointGone)
        except (StoreError, RelayError) as error:
            # Not recorded, so it is tried again when its lease ends: at least once, never lost.
            log.warning("delivery_attempt_lost", delivery_id=claim.delivery.id, error=words_of(error))
        finally:
            queue.slots.release()

    def _is_stale(self, claim: Claim) -> bool:
        """Whether the lease could end before a post that begins now."""
        return claim.until - self._ctx.clock.now() < self._timeout

    async def _release(self, claim: Claim) -> None:
        now = self._ctx.clock.now()
        await self._ctx.store.write(lambda tx: release(tx, claim, now=now))

    async def _sweep(self) -> None:
        while not self._tasks.is_closed:
            try:
                await self._call_due()
            except StoreError as error:
                log.warning("delivery_sweep_failed", error=words_of(error))
                await asyncio.sleep(SWEEP_SECONDS)

    async def _call_due(self) -> None:
        due = await self._ctx.store.read(list_due_agents)
        now = self._ctx.clock.now()
        for agent, at in due.items():
            if at <= now:
                self._call(agent)
        coming = [(at - now).total_seconds() for at in due.values() if at > now]
        await asyncio.sleep(max(_LEAST_SWEEP_SECONDS, min([SWEEP_SECONDS, *coming])))
