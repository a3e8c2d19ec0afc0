"""Handing due events to their webhooks, each endpoint by itself.

An agent with something due has a *lane*: at most N posts in flight, claims of its own, nothing
shared with any other lane. A commit wakes the lane at once; a sweep finds what no wake-up
told of: retries that fall due, another process's work, what a crash left behind.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog

from relay.delivery.attempt import DeliveryContext, Endpoint, EventSubject, attempt, read_endpoint, read_subjects
from relay.delivery.outcome import EndpointGone
from relay.errors import RelayError
from store.errors import StoreError
from store.mail.deliveries import claim_due, list_due_agents, release
from store.records.mail import Claim
from store.wake import DELIVERIES

SWEEP_SECONDS: Final = 1.0  # the longest that work from elsewhere waits to be seen
_LEAST_SWEEP_SECONDS: Final = 0.02
_LEASE_SLACK_SECONDS: Final = 10.0
_BATCH: Final = 4  # claims are fetched for this many rounds of posts at once

log = structlog.get_logger("relay.delivery")


class _AgentDeliveries:
    """The deliveries of one agent."""

    def __init__(self, agent: str, at_once: int) -> None:
        self.agent = agent
        self.slots = asyncio.Semaphore(at_once)
        self.called = False  # something may have fallen due since the last look
        self.gone = False  # the endpoint has said so since it was last looked up
        self.open = False  # somebody is looking


class Dispatcher:
    """Runs from start() to stop() on the running loop."""

    def __init__(self, delivery_context: DeliveryContext, *, at_once: int, timeout_seconds: float) -> None:
        self._ctx = delivery_context
        self._at_once = at_once
        self._timeout = timedelta(seconds=timeout_seconds)
        # Whoever holds a claim this long without a word is dead.
        self._lease = timedelta(seconds=timeout_seconds + _LEASE_SLACK_SECONDS)
        self._queues: dict[str, _AgentDeliveries] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin: what is due already is found at once."""
        self._ctx.store.notifier.subscribe(self._on_commit)
        self._sweeper = asyncio.ensure_future(self._sweep())

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing new, give back what is not begun, and let posts under way end within *grace_seconds*."""
        self._stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for queue in self._queues.values():
            queue.slots.release()  # who waits for one has nothing to post any more, only to give back
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_commit(self, topics: frozenset[str]) -> None:
        for topic in topics:
            if topic.startswith(DELIVERIES):
                self._call(topic.removeprefix(DELIVERIES))

    def _call(self, agent: str) -> None:
        """Have the agent's lane look for work, opening it if it is not open."""
        if self._stopping:
            return
        queue = self._queues.get(agent)
        if queue is None:
            queue = self._queues[agent] = _AgentDeliveries(agent, self._at_once)
        queue.called = True
        if not queue.open:
            queue.open = True
            self._spawn(self._run(queue))

    async def _run(self, queue: _AgentDeliveries) -> None:
        """Work the lane until nothing is due in it."""
        try:
            while queue.called and not self._stopping:
                queue.called = False
                while claims := await self._claim(queue):
                    await self._work_off(queue, claims)
        except (StoreError, RelayError) as error:
            # The claims that were taken fall due again; the sweep opens the lane again.
            log.warning("delivery_queue_stopped", agent=queue.agent, error=type(error).__name__)
        finally:
            queue.open = False

    async def _claim(self, queue: _AgentDeliveries) -> list[Claim]:
        if self._stopping:
            return []
        now = self._ctx.clock.now()
        limit = self._at_once * _BATCH
        return await self._ctx.store.write(
            lambda tx: claim_due(tx, queue.agent, limit=limit, lease=self._lease, now=now)
        )

    async def _work_off(self, queue: _AgentDeliveries, claims: list[Claim]) -> None:
        """Start a post for each claim as slots come free; the last ones go on while the next are claimed."""
        queue.gone = False
        endpoint = await read_endpoint(queue.agent, ctx=self._ctx)
        subjects = await read_subjects(claims, ctx=self._ctx)
        for claim in claims:
            await queue.slots.acquire()
            subject = subjects.get(claim.delivery.message_id or "")
            if subject is not None and not self._stopping and not queue.gone and not self._is_stale(claim):
                self._spawn(self._post(queue, claim, subject, endpoint))
                continue
            queue.slots.release()
            if subject is not None:  # one without its message would come back at once, for ever
                await self._give_back(claim)

    async def _post(self, queue: _AgentDeliveries, claim: Claim, subject: EventSubject, endpoint: Endpoint) -> None:
        try:
            decided = await attempt(claim, subject, endpoint, ctx=self._ctx)
            queue.gone = queue.gone or isinstance(decided, EndpointGone)
        except (StoreError, RelayError) as error:
            # Not recorded, so the lease ends and it is tried again: at least once, never lost.
            log.warning("delivery_attempt_lost", delivery_id=claim.delivery.id, error=type(error).__name__)
        finally:
            queue.slots.release()

    def _is_stale(self, claim: Claim) -> bool:
        """Whether the lease would end before a post begun now is sure to have."""
        return claim.until - self._ctx.clock.now() < self._timeout

    async def _give_back(self, claim: Claim) -> None:
        now = self._ctx.clock.now()
        await self._ctx.store.write(lambda tx: release(tx, claim, now=now))

    async def _sweep(self) -> None:
        while not self._stopping:
            await self._quietly(self._call_due)

    async def _call_due(self) -> None:
        due = await self._ctx.store.read(list_due_agents)
        now = self._ctx.clock.now()
        for agent, at in due.items():
            if at <= now:
                self._call(agent)
        coming = [(at - now).total_seconds() for at in due.values() if at > now]
        await asyncio.sleep(max(_LEAST_SWEEP_SECONDS, min([SWEEP_SECONDS, *coming])))

    async def _quietly(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except StoreError as error:
            log.warning("delivery_sweep_failed", error=type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
