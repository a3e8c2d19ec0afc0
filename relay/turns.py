"""Give pieces of work to the event loop in turn: of the peer that has had the least first.

The loop runs what is ready in the order of its arrival. A peer with a hundred connections would be served a hundred
times between two answers to another one. Here few pieces of work are under way at a time; of those that wait, one of a
peer that has hardly any goes before those of a peer that has many (start-time fair queueing).
"""

import asyncio
from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count
from typing import Final

_MOST_KNOWN: Final = 10_000  # peers whose last turn is remembered; a forgotten one counts as new
_SECONDS: Final = 0.05


class Turn:
    """The right to work; it ends by itself after a short time, in which a piece of work is done or waits for others."""

    def __init__(self, turns: "Turns") -> None:
        self._turns = turns
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(_SECONDS, self.end)

    def end(self) -> None:
        """Let the next one work; a second call changes nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._turns.pass_on()


class Turns:
    """The turns of one kind of work; use it on one event loop."""

    def __init__(self, at_once: int = 1) -> None:
        self._free = self._at_once = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap: virtual start, number
        self._numbers = count()
        self._after: dict[Hashable, int] = {}  # the earliest virtual start of each peer's next turn
        self._now = 0  # virtual time: the latest start of a turn

    def __len__(self) -> int:
        return len(self._waiting)

    async def begin(self, peer: Hashable) -> Turn:
        """Return when it is the turn of *peer*; end the turn when its work is done."""
        await self._wait(peer)
        return Turn(self)

    async def next(self, peer: Hashable) -> None:
        """Return when it is the turn of *peer* for work without a wait, of about a millisecond at most."""
        await self._wait(peer)
        asyncio.get_running_loop().call_soon(self.pass_on)

    def pass_on(self) -> None:
        """End a turn in favour of the next that waits. Called once for each turn."""
        while self._waiting:
            start, _, turn = heappop(self._waiting)
            if not turn.done():  # else its connection has ended
                self._now = max(self._now, start)
                turn.set_result(None)
                if len(self._after) > _MOST_KNOWN:
                    self._after = {peer: start for peer, start in self._after.items() if start > self._now}
                return
        self._free += 1
        if self._free == self._at_once:
            self._after.clear()

    async def _wait(self, peer: Hashable) -> None:
        start = max(self._now, self._after.get(peer, 0))
        self._after[peer] = start + 1
        if self._free:
            self._free -= 1
            self._now = start
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (start, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_on()
            raise
