"""Policies of rate limits over relay/token_buckets.py, and the RateLimit header fields.

A bucket holds the requests allowed in a minute and is refilled evenly. The fields follow
draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit-Policy: "key";q=600;w=60`` states the limit,
``RateLimit: "key";r=599;t=1`` the remaining requests and the seconds until there are more.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil
from typing import Final

from relay.limits.counts import Counts, OwnCounts
from relay.token_buckets import MINUTE

_MAX_ENTRIES: Final = 10_000  # buckets of one policy: an attacker who invents names causes eviction, not growth


@dataclass(frozen=True, slots=True)
class BucketState:
    """The state of one bucket."""

    policy: str
    quota: int  # requests in a window
    left: int  # requests available now
    seconds: int  # until one is available if none is left, else until the bucket is full


class Buckets:
    """The buckets of one policy, one for each name."""

    def __init__(self, policy: str, quota: int, counts: Counts | None = None) -> None:
        """The rate is that of all that share *counts*."""
        self.policy = policy
        self.quota = quota  # requests a minute; 0 means unlimited
        self._kept = (counts or OwnCounts()).buckets(f"http {policy}", most=_MAX_ENTRIES)

    def turn(self) -> AbstractContextManager[object]:
        """No other process changes the buckets meanwhile."""
        return self._kept.turn()

    def state(self, name: str, now: float) -> BucketState:
        """The state of the bucket *name* at *now* (seconds of any clock)."""
        level = self._kept.level(name, now, size=self.quota)
        missing = self.quota - level if level >= 1 else 1 - level
        return BucketState(self.policy, self.quota, int(level), ceil(missing * MINUTE / self.quota))

    def take(self, name: str, now: float) -> BucketState:
        """Count a request of *name* and return the new state."""
        self._kept.take(name, now, size=self.quota)
        return self.state(name, now)


def fields(states: Sequence[BucketState]) -> dict[str, str]:
    """The two header fields, with one member for each policy; empty without policies."""
    if not states:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{each.policy}";q={each.quota};w={MINUTE}' for each in states),
        "RateLimit": ", ".join(f'"{each.policy}";r={each.left};t={each.seconds}' for each in states),
    }
