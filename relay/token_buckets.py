"""Token buckets: how many more events a name may cause, filled evenly over a minute. Pure: the time is a parameter."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Generic, TypeVar

MINUTE: Final = 60  # seconds, in which an empty bucket becomes full

Name = TypeVar("Name", bound=Hashable)


NO_TURN: Final = nullcontext()  # of what one process uses alone


def refilled(kept: tuple[float, float] | None, now: float, *, size: int) -> float:
    """The tokens at *now* in a bucket of *size* that had a level at a time; one that is not remembered is full."""
    if kept is None:
        return float(size)
    level, at = kept
    passed = max(0.0, now - at)  # a clock that was set back does not refill
    return min(float(size), level + passed * size / MINUTE)


class TokenBuckets(Generic[Name]):
    """A bucket for each name, in bounded memory: a forgotten name begins with a full bucket."""

    def __init__(self, *, most: int) -> None:
        self._most = most  # names that are remembered
        self._kept: OrderedDict[Name, tuple[float, float]] = (
            OrderedDict()
        )  # level and its time; least recently used first

    def turn(self) -> AbstractContextManager[object]:
        """Nothing to wait for: no other process uses these buckets."""
        return NO_TURN

    def __len__(self) -> int:
        return len(self._kept)

    def level(self, name: Name, now: float, *, size: int) -> float:
        """The tokens that *name* has at *now* (seconds of any clock), of at most *size*."""
        return refilled(self._kept.get(name), now, size=size)

    def take(self, name: Name, now: float, *, size: int) -> None:
        """Take a token of *name*, if it has one."""
        self._kept[name] = (max(0.0, self.level(name, now, size=size) - 1), now)
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def spend(self, sizes: Mapping[Name, int], now: float) -> bool:
        """Take a token of each name, by its size, if all have one."""
        if any(self.level(name, now, size=size) < 1 for name, size in sizes.items()):
            return False
        for name, size in sizes.items():
            self.take(name, now, size=size)
        return True
