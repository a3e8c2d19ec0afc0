"""Remember zones whose nameservers do not answer, so that their other names cost no time.

Which suffix of a silent name is the zone cannot be seen from the name: ``a.evil.co.uk`` must not make ``co.uk``
silent. So after three silent names below a suffix, the suffix itself is asked for: when a nameserver answers that,
with any answer, the suffix is not the silent zone, and the next longer one is tried.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

NAMES: Final = 3  # silent names below a suffix before the suffix is asked for
SECONDS: Final = 30.0
_DEEPEST: Final = 6  # labels of the longest suffix
_MOST: Final = 4096  # suffixes in memory


def suffixes(name: str) -> Iterator[str]:
    """The suffixes above *name* that can be a zone of one owner: two labels first, then longer ones."""
    labels = name.split(".")
    for count in range(2, min(len(labels) - 1, _DEEPEST) + 1):
        yield ".".join(labels[-count:])


class SilentZones:
    """Counts silent names by suffix. *monotonic* is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float], *, seconds: float = SECONDS) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._names: OrderedDict[str, set[str]] = OrderedDict()
        self._silent: OrderedDict[str, float] = OrderedDict()  # until when
        self._answering: OrderedDict[str, float] = OrderedDict()

    def is_silent(self, name: str) -> bool:
        """Whether *name* is below a zone that did not answer a moment ago."""
        if not self._silent:
            return False
        now = self._monotonic()
        return any(self._silent.get(suffix, 0) > now for suffix in suffixes(name))

    def add(self, name: str) -> None:
        """Count *name*, which no nameserver answered."""
        for suffix in suffixes(name):
            names = self._names.setdefault(suffix, set())
            self._names.move_to_end(suffix)
            if len(names) < NAMES:
                names.add(name)
        while len(self._names) > _MOST:
            self._names.popitem(last=False)

    def suspect(self, name: str) -> str | None:
        """The shortest suffix of *name* that may be a silent zone, so that it must be asked for."""
        now = self._monotonic()
        full = (suffix for suffix in suffixes(name) if len(self._names.get(suffix, ())) >= NAMES)
        return next((suffix for suffix in full if self._answering.get(suffix, 0) <= now), None)

    def settle(self, suffix: str, *, silent: bool) -> None:
        """Keep the result of asking for *suffix* itself."""
        _keep(self._silent if silent else self._answering, suffix, self._monotonic() + self._seconds)
        self._names.pop(suffix, None)
        if not silent:
            self._silent.pop(suffix, None)


def _keep(table: OrderedDict[str, float], suffix: str, until: float) -> None:
    table[suffix] = until
    table.move_to_end(suffix)
    if len(table) > _MOST:
        table.popitem(last=False)
