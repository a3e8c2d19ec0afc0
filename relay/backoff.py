"""Retry delays: the table of waits, and jitter (docs/contract.md §5)."""

from collections.abc import Sequence
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0

RETRY_SECONDS: Final[tuple[float, ...]] = (
    5.0,
    30.0,
    2 * _MINUTE,
    10 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    24 * _HOUR,
    24 * _HOUR,
)
JITTER: Final = 0.1  # fraction of the wait, added: a table entry is the minimum


def wait(attempts_made: int, table: Sequence[float], *, jitter: float) -> float | None:
    """Seconds until the next attempt; None when the table is used up.

    *attempts_made* is 1 or more. *jitter* in [0, 1) is a random number: it spreads the retries of endpoints that failed
    at the same time.
    """
    if attempts_made > len(table):
        return None
    return table[max(attempts_made, 1) - 1] * (1 + JITTER * jitter)


def total_seconds(table: Sequence[float]) -> float:
    """Seconds from the first attempt to the last by *table*, without jitter."""
    return sum(table)
