"""When a worker that has ended is started again. Pure: the time is a parameter."""

from typing import Final

_FIRST_SECONDS: Final = 0.25
_MOST_SECONDS: Final = 15.0
_STEADY_SECONDS: Final = 60.0  # a worker that has run for so long ends a row of failures


class Restarts:
    """The delays of one worker: none after a long run, then doubled from a quarter of a second to 15 s."""

    def __init__(self) -> None:
        self._failures = 0

    def next_delay(self, ran_seconds: float) -> float:
        """Seconds until the next start, after a process that ran for *ran_seconds*."""
        if ran_seconds >= _STEADY_SECONDS:
            self._failures = 0
        delay = min(_FIRST_SECONDS * 2 ** (self._failures - 1), _MOST_SECONDS) if self._failures else 0.0
        self._failures = min(self._failures + 1, 16)
        return delay
