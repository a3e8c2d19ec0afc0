"""In-process wake-ups: waiters are notified when a commit concerns their topic.

A topic is a short text (``deliveries:ADDRESS``, ``inbox:ADDRESS``). Commits of this process notify
directly; commits of other processes arrive through store/database/pg_listener.py or
store/database/sqlite_watcher.py, which wake every waiter once after a gap in which commits may have been missed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

INBOX: Final = "inbox:"  # + agent address: mail can be listed or leased, or the agent was deleted
DELIVERIES: Final = "deliveries:"  # + agent address: a webhook delivery may be due
ENDPOINT: Final = "endpoint:"  # + agent address: its webhook, a secret or its mode was changed
SENDING: Final = "sending:"  # an outbound message may be due
LETTERS: Final = "letters:"  # without suffix: a letter may be due
KEYS: Final = "keys:"  # + API key id: the key was revoked

OnNotify = Callable[[frozenset[str]], None]


class Notifier:
    """Topics and their waiters in one process; bound to one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._subscribers: list[OnNotify] = []
        self._has_waiters = asyncio.Event()

    def notify(self, topics: Iterable[str]) -> None:
        """Wake every waiter of one of *topics*. Call it on the loop."""
        found = frozenset(topics)
        for topic in found & self._waiting.keys():
            for event in self._waiting[topic]:
                event.set()
        for subscriber in self._subscribers:
            subscriber(found)

    def wake_all(self) -> None:
        """Wake every waiter, after possibly missed commits or when all must end."""
        self.notify(self.topics())

    def subscribe(self, subscriber: OnNotify) -> None:
        """Call *subscriber* with the topics of every later commit; it must return quickly."""
        self._subscribers.append(subscriber)

    def topics(self) -> frozenset[str]:
        """The topics that have waiters now."""
        return frozenset(self._waiting)

    async def wait_for_waiter(self) -> None:
        """Return as soon as there is at least one waiter, for any topic."""
        await self._has_waiters.wait()

    @contextmanager
    def waiting(self, *topics: str) -> Iterator[asyncio.Event]:
        """An event that is set when one of *topics* is notified.

        Enter it before reading the rows: a commit between the read and the wait then still sets the event.
        """
        event = asyncio.Event()
        for topic in topics:
            self._waiting[topic].add(event)
        self._has_waiters.set()
        try:
            yield event
        finally:
            self._leave(topics, event)

    def _leave(self, topics: Iterable[str], event: asyncio.Event) -> None:
        for topic in topics:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]
        if not self._waiting:
            self._has_waiters.clear()
