"""What the store reports to the program's metrics: each commit, and each operation that the database failed."""

from typing import Protocol


class StoreMeter(Protocol):
    """Receives the store's figures, on any thread; its methods are quick and raise no error."""

    def observe_commit(self, seconds: float, units: int) -> None:
        """A transaction of *units* operations has ended."""
        ...

    def count_store_error(self) -> None:
        """The database failed for one operation, or gave no answer in time."""
        ...


class Unmetered:
    """Drops all figures: a single command has no metrics."""

    def observe_commit(self, seconds: float, units: int) -> None:
        """Drop the figures of a commit."""

    def count_store_error(self) -> None:
        """Drop the count of an error."""
