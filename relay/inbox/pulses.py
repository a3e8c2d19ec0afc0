"""Looking after all who follow at once: one question to the store for as many as ask at the same moment."""

import asyncio
from collections.abc import Mapping

from store.engine import Store
from store.mail.events_feed import Follower, Pulse, list_pulses


class Pulses:
    """The pulses of the agents that are followed in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: list[Follower] = []
        self._answer: asyncio.Task[Mapping[Follower, Pulse]] | None = None

    async def of(self, follower: Follower) -> Pulse | None:
        """The agent's pulse now; None once the follower's key or agent is gone. Raises Unavailable."""
        if self._answer is None:
            self._answer = asyncio.create_task(self._ask())
        self._asked.append(follower)
        # One who goes meanwhile takes nobody else's answer away.
        pulses = await asyncio.shield(self._answer)
        return pulses.get(follower)

    async def _ask(self) -> Mapping[Follower, Pulse]:
        await asyncio.sleep(0)  # whoever was woken together with the first has asked by then
        asked, self._asked, self._answer = self._asked, [], None
        return await self._store.read(lambda tx: list_pulses(tx, asked))
