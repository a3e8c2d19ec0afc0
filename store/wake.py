"""Wake-ups: who waits for rows to appear is told at the commit that makes them appear.

A topic is a short text (``deliveries:ADDRESS``, ``inbox:ADDRESS``). A commit of this process rings by
itself; those of other processes are brought here by what store/database/pg_listener.py starts, which also wakes
everybody once when it cannot say what it has missed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

INBOX: Final = "inbox:"  # and an agent's address: mail can be listed or leased, or the agent has gone
DELIVERIES: Final = "deliveries:"  # and an agent's address: something may be due to its webhook
SENDING: Final = "sending:"  # a message may be due to go out
LETTERS: Final = "letters:"  # alone: a letter to a person may be due
KEYS: Final = "keys:"  # and an API key's id: it was revoked

OnNotify = Callable[[frozenset[str]], None]


class Notifier:
    """The wake-ups of one process; lives on one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listeners: list[OnNotify] = []
        self._occupied = asyncio.Event()  # somebody waits

    def notify(self, topics: Iterable[str]) -> None:
        """Wake everybody who waits for one of *topics*. To be called on the loop."""
        found = frozenset(topics)
        for topic in found & self._waiting.keys():
            for event in self._waiting[topic]:
                event.set()
        for listener in self._listeners:
            listener(found)

    def wake_all(self) -> None:
        """Wake everybody who waits, for whatever it is: something may have been missed, or all must end."""
        self.notify(self.topics())

    def subscribe(self, listener: OnNotify) -> None:
        """Call *listener* with the topics of every commit from now on; it must be quick."""
        self._listeners.append(listener)

    def topics(self) -> frozenset[str]:
        """What is waited for now."""
        return frozenset(self._waiting)

    async def wait_for_waiter(self) -> None:
        """Return once anybody waits for anything."""
        await self._occupied.wait()

    @contextmanager
    def waiting(self, *topics: str) -> Iterator[asyncio.Event]:
        """An event that is set when one of *topics* rings.

        Open it before looking at the rows, so none slips between.
        """
        event = asyncio.Event()
        for topic in topics:
            self._waiting[topic].add(event)
        self._occupied.set()
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
            self._occupied.clear()
