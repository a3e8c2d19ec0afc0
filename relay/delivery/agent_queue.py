"""The state of one agent's webhook in this process: what waits for it, its slots, and what is known of it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from relay.delivery.attempt import Endpoint, InboundSubject
from store.records.mail import FirstClaim


@dataclass(frozen=True, slots=True)
class StraightItem:
    """A delivery that this process inserted claimed, and what is posted."""

    first: FirstClaim
    subject: InboundSubject
    size: int  # bytes of the memory budget
    changes: int  # of the queue when the message was about to be stored


class AgentQueue:
    """Deliveries of one agent; all its posts share the slots."""

    def __init__(self, agent: str, at_once: int) -> None:
        self.agent = agent
        self.slots = asyncio.Semaphore(at_once)
        self.called = False  # a delivery may have fallen due since the last claim
        self.gone = False  # the endpoint answered 410 Gone since it was last read
        self.is_running = False  # a task claims from the store
        self.is_behind = False  # the last claim left due deliveries in the store
        self.straight: deque[StraightItem] = deque()
        self.posters = 0  # tasks that post what is in straight
        self.changes = 0  # how often the endpoint was changed, as far as this process knows
        self._endpoint: Endpoint | None = None  # as it was read last

    def note_change(self) -> None:
        """The agent's endpoint was changed: what was known of it before is not used again."""
        self.changes += 1
        self._endpoint = None

    def keep_endpoint(self, endpoint: Endpoint) -> None:
        """Use *endpoint* until it is changed or one of its secrets expires."""
        self._endpoint = endpoint

    def known_endpoint(self, item: StraightItem, *, now: datetime) -> Endpoint | None:
        """The endpoint for *item*; None when it must be read.

        It is not read again while the row that was locked at the commit names its URL and its current secret.
        """
        known, first = self._endpoint, item.first
        if known is None or item.changes != self.changes:
            return None
        if (known.url, known.key_id) != (first.url, first.key_id) or not known.is_on:
            return None
        return known if known.until is None or now < known.until else None
