"""Add up the metrics of several processes: counters, histograms and most gauges by their sum."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

Snapshot = list[Any]
"""``[family, text, type, [[sample, labels, value], …]]`` for each family of metrics."""

_RULES: Final[Mapping[str, Callable[[float, float], float]]] = {
    "mailseal_loop_lag_seconds": max,
    "mailseal_build_info": max,
    "mailseal_sending_paused": max,
    "mailseal_last_backup_timestamp_seconds": max,
    "mailseal_certificate_expiry_timestamp_seconds": min,
    "mailseal_holds_oldest_seconds": max,
    "mailseal_delivery_oldest_due_seconds": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
    "python_info": max,
}


def snapshot_of(registry: CollectorRegistry) -> Snapshot:
    """All metrics of *registry*."""
    return [
        [each.name, each.documentation, each.type, [[one.name, one.labels, one.value] for one in each.samples]]
        for each in registry.collect()
    ]


class Together(CollectorRegistry):
    """The metrics of *own* and *others* as one registry, which is only read."""

    def __init__(self, own: CollectorRegistry, others: Iterable[Snapshot]) -> None:
        super().__init__()
        self._snapshots = [snapshot_of(own), *others]

    def collect(self) -> Iterable[Metric]:
        """Each family once, with each of its samples once."""
        families: dict[str, tuple[str, str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]] = {}
        for family, text, kind, samples in (each for snapshot in self._snapshots for each in snapshot):
            values = families.setdefault(family, (text, kind, {}))[2]
            for name, labels, value in samples:
                key = name, tuple(sorted(labels.items()))
                values[key] = _RULES.get(name, _sum)(values[key], value) if key in values else value
        for family, (text, kind, values) in families.items():
            metric = Metric(family, text, kind)
            for (name, labels), value in values.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def _sum(one: float, other: float) -> float:
    return one + other
