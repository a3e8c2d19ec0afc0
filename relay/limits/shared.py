"""Counts that all workers of a daemon share, in a table in memory: limits are of all together, and exact."""

from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from relay.limits.table import SharedTable
from relay.token_buckets import refilled

_KNOWN_NAMES: Final = 4096


class _Keys(dict[Hashable, bytes]):
    """The keys of names, of the last thousands that were asked for."""

    def __init__(self, table: SharedTable, kind: str) -> None:
        super().__init__()
        self._table = table
        self._kind = kind

    def __missing__(self, name: Hashable) -> bytes:
        if len(self) >= _KNOWN_NAMES:
            self.clear()
        key = self[name] = self._table.key(f"{self._kind} {name}")
        return key


class SharedTally:
    """The part of one worker in the tally of one kind."""

    is_shared = True

    def __init__(self, table: SharedTable, kind: str, process: int) -> None:
        self._table = table
        self._process = process
        self._keys = _Keys(table, kind)

    def turn(self) -> AbstractContextManager[object]:
        """Hold the table's lock."""
        return self._table

    def of(self, name: Hashable) -> int:
        """What *name* holds, in all workers."""
        return self._table.count(self._keys[name])

    def add(self, name: Hashable, amount: int) -> None:
        """Change what *name* holds in this worker. Call it in a turn."""
        self._table.add(self._keys[name], amount, process=self._process)


class SharedLevels:
    """The token buckets of one kind."""

    def __init__(self, table: SharedTable, kind: str) -> None:
        self._table = table
        self._keys = _Keys(table, kind)

    def turn(self) -> AbstractContextManager[object]:
        """Hold the table's lock."""
        return self._table

    def level(self, name: Hashable, now: float, *, size: int) -> float:
        """The tokens that *name* has at *now* (seconds of a clock that all workers have), of at most *size*."""
        _, kept = self._table.level(self._keys[name])
        return refilled(kept, now, size=size)

    def take(self, name: Hashable, now: float, *, size: int) -> None:
        """Take a token of *name*, if it has one."""
        with self._table:
            self.spend({name: size}, now, least=0)

    def spend(self, sizes: Mapping[Hashable, int], now: float, *, least: float = 1) -> bool:
        """Take a token of each name, by its size, if all have one (*least*)."""
        with self._table:
            found = []
            for name, size in sizes.items():
                place, kept = self._table.level(self._keys[name])
                level = refilled(kept, now, size=size)
                if level < least:
                    return False
                at = now if kept is None else max(now, kept[1])  # the workers' clocks differ by some milliseconds
                found.append((self._keys[name], place, max(0.0, level - 1), at))
            for each in found:
                self._table.set_level(*each)
        return True


class SharedCounts:
    """The counts of one worker."""

    def __init__(self, table: SharedTable, process: int) -> None:
        self._table = table
        self._process = process

    def tally(self, kind: str) -> SharedTally:
        """The tally of *kind*."""
        return SharedTally(self._table, kind, self._process)

    def buckets(self, kind: str, *, most: int) -> SharedLevels:  # noqa: ARG002 (the table has room for all kinds)
        """The buckets of *kind*."""
        return SharedLevels(self._table, kind)
