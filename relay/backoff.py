"""When to try again: the table of waits and the spread over it (contract §5)."""

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
JITTER: Final = 0.1  # of the wait, added: a table entry is the least one waits


def wait(attempts_made: int, table: Sequence[float], *, jitter: float) -> float | None:
    """Seconds until the next attempt after *attempts_made* (1 or more); None when the table is used up.

    *jitter* in [0, 1) is chance's part: endpoints that failed together are not asked again together.
    """
    if attempts_made > len(table):
        return None
    return table[max(attempts_made, 1) - 1] * (1 + JITTER * jitter)


def total_seconds(table: Sequence[float]) -> float:
    """Seconds from the first attempt to the last by *table*, without jitter."""
    return sum(table)
