"""Notice that this machine's clock was set, or differs from the clock of what wrote to the store before.

Leases, holds, deliveries and signatures depend on the time: rows of a clock that was ahead fall due late.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

LEAST: Final = timedelta(seconds=30)
log = structlog.get_logger("relay.daemon")


class ClockWatch:
    """Compares times as they are noted, and logs each difference of LEAST or more once."""

    def __init__(self) -> None:
        self._before: tuple[datetime, float] | None = None

    def note(self, now: datetime, steady: float) -> None:
        """Compare the clock's way since the last call with that of *steady*, seconds that only go forward."""
        before, self._before = self._before, (now, steady)
        if before is not None:
            jump = (now - before[0]) - timedelta(seconds=steady - before[1])
            if abs(jump) >= LEAST:
                log.warning("clock_jumped", seconds=round(jump.total_seconds()))

    def note_written(self, at: datetime | None, now: datetime) -> None:
        """Compare *at*, when the store was written last, with *now*."""
        if at is not None and at - now >= LEAST:
            log.warning("clock_behind", seconds=round((at - now).total_seconds()))
