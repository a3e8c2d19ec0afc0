"""What limits are counted with: tallies of what is held now, and token buckets, of one process or of all workers.

Pure: the time is a parameter.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

from relay.token_buckets import NO_TURN, TokenBuckets

ALL: Final = ""  # the name under which a tally counts all holders


class Tally(Protocol):
    """How much each name holds now."""

    is_shared: bool  # other processes change it, too

    def turn(self) -> AbstractContextManager[object]:
        """No other process changes the counts meanwhile. It may be entered again within."""
        ...

    def of(self, name: Hashable) -> int:
        """What *name* holds, in all processes."""
        ...

    def add(self, name: Hashable, amount: int) -> None:
        """Change what *name* holds in this process. Call it in a turn."""
        ...


class Levels(Protocol):
    """A token bucket for each name, as TokenBuckets."""

    def turn(self) -> AbstractContextManager[object]:
        """No other process changes the buckets meanwhile. It may be entered again within."""
        ...

    def level(self, name: Hashable, now: float, *, size: int) -> float:
        """The tokens that *name* has at *now* (seconds of any clock), of at most *size*."""
        ...

    def take(self, name: Hashable, now: float, *, size: int) -> None:
        """Take a token of *name*, if it has one."""
        ...

    def spend(self, sizes: Mapping[Hashable, int], now: float) -> bool:
        """Take a token of each name, by its size, if all have one."""
        ...


class Counts(Protocol):
    """Makes the tallies and buckets of a daemon; each kind has names of its own."""

    def tally(self, kind: str) -> Tally:
        """The tally of *kind*."""
        ...

    def buckets(self, kind: str, *, most: int) -> Levels:
        """The buckets of *kind*, for *most* names at least."""
        ...


class OwnTally:
    """A tally of one process."""

    is_shared = False

    def __init__(self) -> None:
        self._held: Counter[Hashable] = Counter()

    def turn(self) -> AbstractContextManager[object]:
        """Nothing to wait for."""
        return NO_TURN

    def of(self, name: Hashable) -> int:
        """What *name* holds."""
        return self._held.get(name, 0)

    def add(self, name: Hashable, amount: int) -> None:
        """Change what *name* holds."""
        held = self._held.get(name, 0) + amount
        if held:
            self._held[name] = held
        else:
            self._held.pop(name, None)


class OwnCounts:
    """The counts of one process."""

    def tally(self, kind: str) -> Tally:  # noqa: ARG002 (each tally of a process is an object of its own)
        """A new tally."""
        return OwnTally()

    def buckets(self, kind: str, *, most: int) -> Levels:  # noqa: ARG002
        """New buckets."""
        return TokenBuckets(most=most)
