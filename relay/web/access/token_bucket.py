"""Token buckets for rate limits, in memory, and the RateLimit header fields.

A bucket holds the requests allowed in a minute and is refilled evenly. The fields follow
draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit-Policy: "key";q=600;w=60`` states the limit,
``RateLimit: "key";r=599;t=1`` the remaining requests and the seconds until there are more.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

WINDOW: Final = 60  # seconds, of every rate
_MAX_ENTRIES: Final = 10_000  # buckets of one policy: an attacker who invents names causes eviction, not growth


@dataclass(frozen=True, slots=True)
class BucketState:
    """The state of one bucket."""

    policy: str
    quota: int  # requests in a window
    left: int  # requests available now
    seconds: int  # until one is available if none is left, else until the bucket is full


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float  # time of that level


class Buckets:
    """The buckets of one policy, one for each name."""

    def __init__(self, policy: str, quota: int) -> None:
        self.policy = policy
        self.quota = quota  # requests a minute; 0 means unlimited
        self._kept: OrderedDict[str, _Bucket] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._kept)

    def state(self, name: str, now: float) -> BucketState:
        """The state of the bucket *name* at *now* (seconds of any clock)."""
        level = self._level(name, now)
        missing = self.quota - level if level >= 1 else 1 - level
        return BucketState(self.policy, self.quota, int(level), ceil(missing * WINDOW / self.quota))

    def take(self, name: str, now: float) -> BucketState:
        """Count a request of *name* and return the new state."""
        level = max(0.0, self._level(name, now) - 1)
        self._kept[name] = _Bucket(level, now)
        self._kept.move_to_end(name)
        if len(self._kept) > _MAX_ENTRIES:
            self._kept.popitem(last=False)
        return self.state(name, now)

    def _level(self, name: str, now: float) -> float:
        kept = self._kept.get(name)
        if kept is None:
            return float(self.quota)
        passed = max(0.0, now - kept.at)  # a clock that was set back does not refill
        return min(float(self.quota), kept.level + passed * self.quota / WINDOW)


def fields(states: Sequence[BucketState]) -> dict[str, str]:
    """The two header fields, with one member for each policy; empty without policies."""
    if not states:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{each.policy}";q={each.quota};w={WINDOW}' for each in states),
        "RateLimit": ", ".join(f'"{each.policy}";r={each.left};t={each.seconds}' for each in states),
    }
