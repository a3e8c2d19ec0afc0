"""Prometheus metrics of one daemon: one registry, made at the start and passed on.

Names and labels are in docs/operations.md. A counter is counted where the event happens. A
gauge is read at each scrape from a function, which returns a value that is in memory: a scrape asks no database.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from relay.metrics_together import Snapshot, Together, snapshot_of

MailOutcome = Literal["accepted", "refused", "deferred", "failed"]
AttemptOutcome = Literal["delivered", "later", "dead", "gone"]
SendOutcome = Literal["sent", "busy", "refused", "unconfirmed"]
CountBound = Callable[[str], None]
"""Called with the name of a bound that was reached."""
TlsResult = Literal["ok", "failed"]
RemovedKind = Literal[
    "messages",
    "bodies",
    "chunks",
    "sessions",
    "idempotency_keys",
    "attempts",
    "deliveries",
    "usage_events",
    "used_links",
    "letters",
    "digests",
    "awaited_ids",
]
GaugeName = Literal[
    "workers",
    "smtp_sessions",
    "deliveries_due",
    "delivery_oldest_due_seconds",
    "deliveries_dead",
    "queue_visible",
    "sends",
    "holds_waiting",
    "holds_oldest_seconds",
    "sending_paused",
    "dns_cache_bytes",
    "loop_lag_seconds",
    "log_lines_lost",
    "certificate_expiry_timestamp_seconds",
    "last_backup_timestamp_seconds",
]
Value = float | Mapping[str, float] | None
"""The value of a gauge; by label where it has one; None while it is not known, or there is none."""

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_GAUGES: Final[Mapping[GaugeName, str]] = {
    "workers": "Processes of this daemon that answered.",
    "smtp_sessions": "Connected SMTP clients.",
    "deliveries_due": "Pending deliveries that are due, at most 10000.",
    "delivery_oldest_due_seconds": "How long the oldest due delivery has been due; 0 without one.",
    "deliveries_dead": "Deliveries that were given up, at most 10000.",
    "queue_visible": "Unleased messages in the queues of poll agents, at most 10000.",
    "sends": "Outbound messages in each state that has not ended, at most 10000 of each.",
    "holds_waiting": "Messages that wait for a reviewer, at most 10000.",
    "holds_oldest_seconds": "How long the oldest of them has waited; 0 without one.",
    "sending_paused": "1 while the operator has paused all sending.",
    "dns_cache_bytes": "Bytes of the DNS cache.",
    "loop_lag_seconds": "Longest delay of the event loop in the last minute.",
    "log_lines_lost": "Log lines that could not be written since the start.",
    "certificate_expiry_timestamp_seconds": "When the first certificate of the SMTP server ends.",
    "last_backup_timestamp_seconds": "When `mailseal backup` last copied this store.",
}
_GAUGE_LABELS: Final[Mapping[GaugeName, str]] = {"sends": "status"}
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_LONG_SECONDS: Final = (0.1, 0.5, 1, 5, 30, 120, 600, 3600, 21600, 86400)
_UNITS: Final = (1, 2, 4, 8, 16, 32, 64)


class _Gauges(Collector):
    """Gauges that are read from functions at each scrape; one without a value has no sample."""

    def __init__(self) -> None:
        self.read: dict[GaugeName, Callable[[], Value]] = {}
        self._build = (program_version(), python_version())

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All gauges with the values of this moment."""
        for name, text in _GAUGES.items():
            label = _GAUGE_LABELS.get(name)
            family = GaugeMetricFamily(f"mailseal_{name}", text, labels=[label] if label else [])
            value = self.read[name]() if name in self.read else None
            if isinstance(value, Mapping):
                for key, each in value.items():
                    family.add_metric([key], each)
            elif value is not None:
                family.add_metric([], value)
            yield family
        built = GaugeMetricFamily("mailseal_build_info", "The running program; always 1.", labels=["version", "python"])
        built.add_metric(self._build, 1)
        yield built


def uncounted_bound(_bound: str) -> None:
    """Count no bound."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        # The extra series of each counter, which no alert reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._gauges = _Gauges()
        self.registry.register(self._gauges)
        mails = self._counter("mails", "Received mails by outcome; failed is a bug.", "outcome")
        attempts = self._counter("delivery_attempts", "Webhook attempts by outcome.", "outcome")
        sends = self._counter("sends", "Attempts to send by the provider's answer.", "outcome")
        removed = self._counter("removed_rows", "Expired rows that were removed, by kind.", "kind")
        self._repeated = self._counter("repeated_messages", "Messages that were received and stored before.")
        self._bounds = self._counter("bounds", "Times that a bound was reached, by bound.", "bound")
        self._replies = self._counter("smtp_replies", "SMTP replies by code.", "code", "enhanced")
        self._tls = self._counter("smtp_tls", "TLS handshakes of the SMTP server.", "version", "result")
        self._verdicts = self._counter("verdicts", "Verdicts on senders of mail.", "verified", "dmarc")
        self._store_errors = self._counter("store_errors", "Database operations that failed or got no answer.")
        self._accept = self._histogram("accept_seconds", "From the final dot to the reply 250.", _SECONDS)
        self._commit = self._histogram("commit_seconds", "Of one transaction of the store's writer.", _SECONDS)
        self._units = self._histogram("commit_units", "Operations that share one transaction.", _UNITS)
        self._dns = self._histogram("dns_seconds", "From a DNS question to its answer or failure.", _SECONDS)
        delivery = self._histogram(
            "delivery_seconds",
            "From the event, such as the 250, to the webhook's answer.",
            _LONG_SECONDS,
            "outcome",
        )
        # Every series exists from the start: a missing counter looks like one that never counts.
        self._mails = {outcome: mails.labels(outcome) for outcome in get_args(MailOutcome)}
        self._attempts = {outcome: attempts.labels(outcome) for outcome in get_args(AttemptOutcome)}
        self._delivery = {outcome: delivery.labels(outcome) for outcome in get_args(AttemptOutcome)}
        self._sends = {outcome: sends.labels(outcome) for outcome in get_args(SendOutcome)}
        self._removed = {kind: removed.labels(kind) for kind in get_args(RemovedKind)}
        self._replies_made: dict[tuple[int, str | None], Counter] = {}

    def watch(self, gauge: GaugeName, read: Callable[[], Value]) -> None:
        """Read *gauge* from *read* at each scrape; it is quick and raises no error."""
        self._gauges.read[gauge] = read

    def count_mail(self, outcome: MailOutcome) -> None:
        """Count one received mail."""
        self._mails[outcome].inc()

    def count_attempt(self, outcome: AttemptOutcome, seconds: float | None = None) -> None:
        """Count one attempt to deliver to a webhook, whose answer came *seconds* after the event."""
        self._attempts[outcome].inc()
        if seconds is not None:
            self._delivery[outcome].observe(seconds)

    def count_send(self, outcome: SendOutcome) -> None:
        """Count one attempt to hand a mail to the provider."""
        self._sends[outcome].inc()

    def count_removed(self, kind: RemovedKind, rows: int) -> None:
        """Count removed rows of one kind."""
        self._removed[kind].inc(rows)

    def count_repeated(self, count: int) -> None:
        """Count messages that were received and stored before (RFC 1047)."""
        self._repeated.inc(count)

    def count_bound(self, bound: str) -> None:
        """Count one time that *bound* was reached: what it holds back was refused, dropped or delayed."""
        self._bounds.labels(bound).inc()

    def count_reply(self, code: int, enhanced: str | None) -> None:
        """Count one SMTP reply."""
        key = code, enhanced
        if key not in self._replies_made:
            self._replies_made[key] = self._replies.labels(str(code), enhanced or "")
        self._replies_made[key].inc()

    def count_tls(self, tls_version: str | None, result: TlsResult) -> None:
        """Count one TLS handshake; *tls_version* is the negotiated one, such as ``TLSv1.3``."""
        self._tls.labels(tls_version or "", result).inc()

    def count_verdict(self, dmarc: str, *, verified: bool) -> None:
        """Count one verdict on the sender of a mail; *dmarc* is the result of its DMARC check."""
        self._verdicts.labels(str(verified).lower(), dmarc).inc()

    def count_store_error(self) -> None:
        """Count one operation for which the database failed or gave no answer."""
        self._store_errors.inc()

    def observe_accept(self, seconds: float) -> None:
        """Record the time from a mail's final dot to its reply 250."""
        self._accept.observe(seconds)

    def observe_commit(self, seconds: float, units: int) -> None:
        """Record one transaction of *units* operations."""
        self._commit.observe(seconds)
        self._units.observe(units)

    def observe_dns(self, seconds: float) -> None:
        """Record the time of one DNS question."""
        self._dns.observe(seconds)

    def render(self, others: Iterable[Snapshot] = ()) -> bytes:
        """The metrics in the text format that Prometheus scrapes, together with those of *others*."""
        return generate_latest(Together(self.registry, others)) if others else generate_latest(self.registry)

    def snapshot(self) -> Snapshot:
        """The metrics as values of JSON, for another process of the same daemon."""
        return snapshot_of(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"mailseal_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"mailseal_{name}", text, labels, buckets=buckets, registry=self.registry)


def program_version() -> str:
    """The version of the installed program."""
    try:
        return version("mailseal")
    except PackageNotFoundError:  # run from its source without an installation
        return "unknown"
