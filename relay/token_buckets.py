"""Token buckets: how many more events a name may cause, filled evenly over a minute. Pure: the time is a parameter."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

MINUTE: Final = 60  # seconds, in which an empty bucket becomes full

Name = TypeVar("Name", bound=Hashable)


class TokenBuckets(Generic[Name]):
    """A bucket for each name, in bounded memory: a forgotten name begins with a full bucket."""

    def __init__(self, *, most: int) -> None:
        self._most = most  # names that are remembered
        self._kept: OrderedDict[Name, tuple[float, float]] = (
            OrderedDict()
        )  # level and its time; least recently used first

    def __len__(self) -> int:
        return len(self._kept)

    def level(self, name: Name, now: float, *, size: int) -> float:
        """The tokens that *name* has at *now* (seconds of any clock), of at most *size*."""
        level, at = self._kept.get(name, (float(size), now))
        passed = max(0.0, now - at)  # a clock that was set back does not refill
        return min(float(size), level + passed * size / MINUTE)

    def take(self, name: Name, now: float, *, size: int) -> None:
        """Take a token of *name*, if it has one."""
        self._kept[name] = (max(0.0, self.level(name, now, size=size) - 1), now)
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
