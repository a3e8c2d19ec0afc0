"""Check all open event streams for news with one query per moment."""

import asyncio
from collections.abc import Mapping

from store.engine import Store
from store.mail.events_feed import Follower, Pulse, list_pulses


class Pulses:
    """Tells event streams whether there are new events and their key is valid."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: list[Follower] = []
        self._answer: asyncio.Task[Mapping[Follower, Pulse]] | None = None

    async def of(self, follower: Follower) -> Pulse | None:
        """The agent's pulse now; None once the follower's key or agent is deleted.

        Raises Unavailable.
        """
        if self._answer is None:
            self._answer = asyncio.create_task(self._ask())
        self._asked.append(follower)
        # A stream that is cancelled meanwhile must not cancel the query of the others.
        pulses = await asyncio.shield(self._answer)
        return pulses.get(follower)

    async def _ask(self) -> Mapping[Follower, Pulse]:
        await asyncio.sleep(0)  # all streams woken together with the first have asked by then
        asked, self._asked, self._answer = self._asked, [], None
        return await self._store.read(lambda tx: list_pulses(tx, asked))
