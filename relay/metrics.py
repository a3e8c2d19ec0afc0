"""Prometheus metrics of one daemon: one registry, made at the start and passed on."""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MailOutcome = Literal["accepted", "refused", "deferred", "failed"]
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
        mails = Counter(
            "mailseal_mails", "Received mails by outcome; failed is a bug.", ["outcome"], registry=self.registry
        )
        attempts = Counter(
            "mailseal_delivery_attempts", "Webhook attempts by outcome.", ["outcome"], registry=self.registry
        )
        sends = Counter(
            "mailseal_sends", "Attempts to send by the provider's answer.", ["outcome"], registry=self.registry
        )
        removed = Counter(
            "mailseal_removed_rows", "Expired rows that were removed, by kind.", ["kind"], registry=self.registry
        )
        self._bounds = Counter(
            "mailseal_bounds", "Times that a bound was reached, by bound.", ["bound"], registry=self.registry
        )
        # Every series exists from the start: a missing counter looks like one that never counts.
        self._mails = {outcome: mails.labels(outcome) for outcome in get_args(MailOutcome)}
        self._attempts = {outcome: attempts.labels(outcome) for outcome in get_args(AttemptOutcome)}
        self._sends = {outcome: sends.labels(outcome) for outcome in get_args(SendOutcome)}
        self._removed = {kind: removed.labels(kind) for kind in get_args(RemovedKind)}

    def count_mail(self, outcome: MailOutcome) -> None:
        """Count one received mail."""
        self._mails[outcome].inc()

    def count_attempt(self, outcome: AttemptOutcome) -> None:
        """Count one attempt to deliver to a webhook."""
        self._attempts[outcome].inc()

    def count_send(self, outcome: SendOutcome) -> None:
        """Count one attempt to hand a mail to the provider."""
        self._sends[outcome].inc()

    def count_removed(self, kind: RemovedKind, rows: int) -> None:
        """Count removed rows of one kind."""
        self._removed[kind].inc(rows)

    def count_bound(self, bound: str) -> None:
        """Count one time that *bound* was reached: what it holds back was refused, dropped or delayed."""
        self._bounds.labels(bound).inc()

    def render(self) -> bytes:
        """The metrics in the text format that Prometheus scrapes."""
        return generate_latest(self.registry)
