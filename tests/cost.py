"""What work costs, in units that a slow or busy machine does not change.

A unit is a fixed loop of Python, timed in the same thread right before and right after the work: a machine
that is three times slower is so for both. CPU time is counted and not the clock, so other processes do not
matter. On a machine of two cores of 2025 a unit is about ten milliseconds.
"""

import time
from collections.abc import Awaitable, Callable

ROUNDS = 5
SECOND = 125  # units that such a machine does in a second


def unit_seconds() -> float:
    """Seconds of CPU of this thread for the fixed loop."""
    start = time.thread_time()
    table = {}
    for number in range(60_000):
        table[number & 255] = (number * 31) ^ len(table)
    return time.thread_time() - start


def cost(work: Callable[[], object], *, rounds: int = ROUNDS, enough: float = SECOND / 4) -> float:
    """Units that *work* costs: the least of *rounds* runs, ended early by one that costs less than *enough*.

    Two costs that are compared need all rounds: give them a small *enough*.
    """
    least = float("inf")
    for _ in range(rounds):
        before = unit_seconds()
        start = time.thread_time()
        work()
        spent = time.thread_time() - start
        least = min(least, spent / max(before, unit_seconds()))
        if least < enough:
            break
    return least


async def cost_of(work: Callable[[], Awaitable[object]]) -> float:
    """The same of *work* that is awaited; what the loop does besides is counted too."""
    before = unit_seconds()
    start = time.thread_time()
    await work()
    spent = time.thread_time() - start
    return spent / max(before, unit_seconds())
