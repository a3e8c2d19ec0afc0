"""The least rate at which the octets of a mail must arrive, averaged over a minute.

Pure: the time is a parameter.
"""

from typing import Final

WINDOW_SECONDS: Final = 60.0


class LeastRate:
    """The octets of one mail in windows of a minute: each must bring the least."""

    def __init__(self, per_second: float, *, window: float, now: float) -> None:
        """*per_second* is the least rate in octets, 0 for none; *now* is when the mail begins, in seconds."""
        self._needed = per_second * window
        self._window = window
        self._ends = now + window
        self._octets = 0

    def arrived(self, octets: int) -> None:
        """Count *octets*."""
        self._octets += octets

    def patience(self, now: float) -> float:
        """Seconds that the mail may be silent from *now* on; 0 or less when it is too slow."""
        if not self._needed:
            return float("inf")
        if self._octets >= self._needed:
            if now < self._ends:
                return self._ends + self._window - now
            self._ends, self._octets = now + self._window, 0
        return self._ends - now
