"""Bound the bytes of mails that wait in memory for their webhooks, with a fair part for each agent. Pure.

An agent may hold at most as much as is free. So one slow endpoint takes half of the budget, two take a third each, and
however many are slow, a part stays free for the others.
"""

from collections import defaultdict


class WebhookMemory:
    """Bytes that are in use, in all and by agent."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._used: defaultdict[str, int] = defaultdict(int)

    def take(self, agent: str, size: int) -> bool:
        """Use *size* bytes for *agent*; False, and nothing is used, when that is more than its part."""
        if self._used.get(agent, 0) + size > self._free - size:
            return False
        self._free -= size
        self._used[agent] += size
        return True

    def give(self, agent: str, size: int) -> None:
        """Free *size* bytes that were taken for *agent*."""
        self._free += size
        self._used[agent] -= size
        if not self._used[agent]:
            del self._used[agent]
