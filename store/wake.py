"""Wake-ups: who waits for rows to appear is told at the commit that makes them appear.

A topic is a short text (``deliveries:ADDRESS``, ``inbox:ADDRESS``). Nothing is ever lost when a
wake-up is: whoever waits looks at the rows again after a while anyhow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

INBOX: Final = "inbox:"  # and an agent's address: mail can be listed or leased
DELIVERIES: Final = "deliveries:"  # and an agent's address: something may be due to its webhook

Listener = Callable[[frozenset[str]], None]


class Bell:
    """The wake-ups of one process; lives on one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listeners: list[Listener] = []

    def ring(self, topics: Iterable[str]) -> None:
        """Wake everybody who waits for one of *topics*. To be called on the loop."""
        found = frozenset(topics)
        for topic in found & self._waiting.keys():
            for event in self._waiting[topic]:
                event.set()
        for listener in self._listeners:
            listener(found)

    def listen(self, listener: Listener) -> None:
        """Call *listener* with the topics of every commit from now on; it must be quick."""
        self._listeners.append(listener)

    @contextmanager
    def waiting(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set when *topic* rings. Open it before looking at the rows, so none slips between."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]
