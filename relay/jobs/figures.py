"""Read the gauges of the database for Prometheus, every 15 s: what is due, dead, held, queued or paused.

A scrape reads what the last round found, so that it costs the database nothing and works while the database does not.
Figures older than STALE are not reported: a gauge that has stopped looks like one at rest.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from relay.clock import Clock
from relay.metrics import GaugeName, Metrics, Value
from store.engine import Store
from store.figures import Figures, read_figures

EVERY: Final = timedelta(seconds=15)
STALE: Final = timedelta(minutes=2)


class StoreGauges:
    """The last figures of the store, and the gauges that show them."""

    def __init__(self, *, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._figures: Figures | None = None
        self._read_at: datetime | None = None
        for name, value in _GAUGES.items():
            metrics.watch(name, lambda value=value: self._now(value))  # type: ignore[misc]

    async def look_again(self, _stop: asyncio.Event) -> None:
        """Read the figures. Raises the store's errors."""
        now = self._clock.now()
        self._figures = await self._store.read(lambda tx: read_figures(tx, now=now))
        self._read_at = now

    def _now(self, value: "Callable[[Figures, datetime], Value]") -> Value:
        now = self._clock.now()
        if self._figures is None or self._read_at is None or now - self._read_at > STALE:
            return None
        return value(self._figures, now)


def _age(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0.0) if at else 0.0


_GAUGES: Final[Mapping[GaugeName, Callable[[Figures, datetime], Value]]] = {
    "deliveries_due": lambda figures, _: figures.deliveries_due,
    "delivery_oldest_due_seconds": lambda figures, now: _age(figures.oldest_due_at, now),
    "deliveries_dead": lambda figures, _: figures.deliveries_dead,
    "queue_visible": lambda figures, _: figures.queue_visible,
    "sends": lambda figures, _: {status: float(number) for status, number in figures.sends.items()},
    "holds_waiting": lambda figures, _: figures.holds_waiting,
    "holds_oldest_seconds": lambda figures, now: _age(figures.oldest_hold_at, now),
    "sending_paused": lambda figures, _: float(figures.is_paused),
    "last_backup_timestamp_seconds": lambda figures, _: (
        figures.last_backup_at.timestamp() if figures.last_backup_at else None
    ),
}
