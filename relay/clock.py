"""Time, as a collaborator that is given: tests hand in one they move themselves."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now(self) -> datetime:
        """The time now: aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now: aware, UTC."""
        return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """*moment* as the contract writes times: ``2026-11-23T15:17:00Z``, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
