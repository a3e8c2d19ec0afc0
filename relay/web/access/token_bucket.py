"""How often: token buckets in the memory of this process, and the fields that tell a client how it stands.

A bucket holds as many requests as a minute allows and is filled evenly. The fields are those of
draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit-Policy: "key";q=600;w=60`` says what is allowed,
``RateLimit: "key";r=599;t=1`` how much of it is left and in how many seconds there is more.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

WINDOW: Final = 60  # seconds, of every rate
_REMEMBERED: Final = 10_000  # callers of one kind: a stranger who invents more makes us forget, not grow


@dataclass(frozen=True, slots=True)
class BucketState:
    """How a caller stands with one policy."""

    policy: str
    quota: int  # requests in a window
    left: int  # of them, right now
    seconds: int  # until there is one again where none is left, else until all are


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float  # when it was so


class Buckets:
    """One policy: a bucket for each of those it bounds."""

    def __init__(self, policy: str, quota: int) -> None:
        self.policy = policy
        self.quota = quota  # 0 bounds nothing
        self._kept: OrderedDict[str, _Bucket] = OrderedDict()  # the one longest unused first

    def __len__(self) -> int:
        return len(self._kept)

    def standing(self, name: str, now: float) -> BucketState:
        """How *name* stands at *now* (seconds since any beginning)."""
        level = self._level(name, now)
        missing = self.quota - level if level >= 1 else 1 - level
        return BucketState(self.policy, self.quota, int(level), ceil(missing * WINDOW / self.quota))

    def take(self, name: str, now: float) -> BucketState:
        """Count a request of *name*; how it stands then."""
        level = max(0.0, self._level(name, now) - 1)
        self._kept[name] = _Bucket(level, now)
        self._kept.move_to_end(name)
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return self.standing(name, now)

    def _level(self, name: str, now: float) -> float:
        kept = self._kept.get(name)
        if kept is None:
            return float(self.quota)
        passed = max(0.0, now - kept.at)  # a clock that was set back fills nothing
        return min(float(self.quota), kept.level + passed * self.quota / WINDOW)


def fields(standings: Sequence[BucketState]) -> dict[str, str]:
    """The two fields, one member a policy; none without a policy."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{each.policy}";q={each.quota};w={WINDOW}' for each in standings),
        "RateLimit": ", ".join(f'"{each.policy}";r={each.left};t={each.seconds}' for each in standings),
    }
