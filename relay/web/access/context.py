"""Collaborators of all HTTP routes, built once at the start of the daemon."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from relay.clock import Clock
from relay.delivery.trial import Trial
from relay.directory.dns_records import DnsIdentity
from relay.dns.resolver import Resolver
from relay.egress import Network
from relay.limits.counts import Counts, OwnCounts
from relay.metrics import Metrics
from relay.metrics_together import Snapshot
from relay.outbound.context import SendContext
from relay.outbound.feedback.event_source import EventSource
from relay.signing.secrets import MasterKey
from relay.web.http.limits import DEFAULTS, ApiLimits
from store.engine import Store
from store.records.mail import Agent


async def no_peers() -> Sequence[Snapshot]:
    """The metrics of the other workers, where there are none."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """Collaborators of all HTTP routes."""

    store: Store
    clock: Clock
    base_url: str
    master: MasterKey  # encrypts values that must not be stored in plain text
    metrics: Metrics
    is_ready: Callable[[], Awaitable[bool]]  # able to accept mail
    try_webhook: Callable[[Agent], Awaitable[Trial]]  # posts a sample event
    resolver: Resolver  # without a cache, to see records published a moment ago
    dns_identity: DnsIdentity
    shared_domain: str | None  # domain of agents created by slug
    allow: Sequence[Network]  # private networks allowed for webhooks
    max_message_bytes: int  # of a received message
    send_context: SendContext  # for submitting and sending messages
    event_sources: Mapping[str, EventSource] = field(default_factory=dict)  # by courier, of those that are set up
    limits: ApiLimits = DEFAULTS
    peer_metrics: Callable[[], Awaitable[Sequence[Snapshot]]] = no_peers
    counts: Counts = field(default_factory=OwnCounts)  # behind the limits
    closing: asyncio.Event = field(default_factory=asyncio.Event)  # set when open requests must end

    def close(self) -> None:
        """End all requests that wait for an event."""
        self.closing.set()
        self.store.notifier.wake_all()
