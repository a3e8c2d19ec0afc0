"""The clock as a parameter, so that tests can control time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The current time: aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time: aware, UTC."""
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """*moment* as RFC 3339 text in UTC with whole seconds: ``2026-11-23T15:17:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
