"""What is counted for Prometheus. One registry a daemon, made at start and handed on."""

from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MailOutcome = Literal["accepted", "refused", "deferred"]
AttemptOutcome = Literal["delivered", "later", "dead", "gone"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._mails = Counter("mailseal_mails", "Mails by what DATA was answered.", ["outcome"], registry=self.registry)
        self._attempts = Counter(
            "mailseal_delivery_attempts", "Webhook attempts by what followed.", ["outcome"], registry=self.registry
        )

    def count_mail(self, outcome: MailOutcome) -> None:
        """One mail was answered."""
        self._mails.labels(outcome).inc()

    def count_attempt(self, outcome: AttemptOutcome) -> None:
        """One delivery was tried."""
        self._attempts.labels(outcome).inc()

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
