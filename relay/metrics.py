"""What is counted for Prometheus. One registry a daemon, made at start and handed on."""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MailOutcome = Literal["accepted", "refused", "deferred"]
AttemptOutcome = Literal["delivered", "later", "dead", "gone"]
SendOutcome = Literal["sent", "busy", "refused", "unconfirmed"]
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
]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        mails = Counter("mailseal_mails", "Mails by what DATA was answered.", ["outcome"], registry=self.registry)
        attempts = Counter(
            "mailseal_delivery_attempts", "Webhook attempts by what followed.", ["outcome"], registry=self.registry
        )
        sends = Counter(
            "mailseal_sends", "Tries to send by what the provider made of them.", ["outcome"], registry=self.registry
        )
        removed = Counter(
            "mailseal_removed_rows", "Rows whose time was over, by what they were.", ["kind"], registry=self.registry
        )
        # Every series from the start: a counter that is missing looks like one that never counts.
        self._mails = {outcome: mails.labels(outcome) for outcome in get_args(MailOutcome)}
        self._attempts = {outcome: attempts.labels(outcome) for outcome in get_args(AttemptOutcome)}
        self._sends = {outcome: sends.labels(outcome) for outcome in get_args(SendOutcome)}
        self._removed = {kind: removed.labels(kind) for kind in get_args(RemovedKind)}

    def count_mail(self, outcome: MailOutcome) -> None:
        """One mail was answered."""
        self._mails[outcome].inc()

    def count_attempt(self, outcome: AttemptOutcome) -> None:
        """One delivery was tried."""
        self._attempts[outcome].inc()

    def count_send(self, outcome: SendOutcome) -> None:
        """One mail was handed over, or was to be."""
        self._sends[outcome].inc()

    def count_removed(self, kind: RemovedKind, rows: int) -> None:
        """So many rows of a kind have gone."""
        self._removed[kind].inc(rows)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
