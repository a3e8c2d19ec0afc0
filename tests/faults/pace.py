"""How much slower than alone this machine runs the test: other programs may have its cores.

A relay that gets a tenth of a core answers ten times as late, and that is no fault of it. The pace of the runner, which
has the same priority as the daemons, tells how much they get.
"""

import asyncio
import time
from collections import deque
from hashlib import sha256

_EVERY_SECONDS = 0.3
_WORK = bytes(20_000_000)  # some ten milliseconds of CPU
_KEPT = 2000  # samples: ten minutes


class Pace:
    """Samples from start() to stop(); 1.0 is the pace of a machine that does nothing else."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # when, and how many times slower
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._sample())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def since(self, began: float) -> float:
        """How many times slower things went since *began*, of the monotonic clock; 1.0 at least."""
        found = [slower for at, slower in self._samples if at >= began]
        return max(1.0, sum(found) / len(found)) if found else 1.0

    async def _sample(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_EVERY_SECONDS)
            woken = (time.monotonic() - began) / _EVERY_SECONDS
            # Short work is often done before another program's turn: a daemon that starts computes for seconds.
            self._samples.append((time.monotonic(), max(woken, await asyncio.to_thread(_computed))))


def _computed() -> float:
    """How many times longer than its CPU some work takes."""
    began, used = time.monotonic(), time.thread_time()
    sha256(_WORK).digest()
    return (time.monotonic() - began) / (time.thread_time() - used)
