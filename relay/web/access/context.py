"""What the web needs of the daemon, joined once at the start."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from relay.clock import Clock
from relay.delivery.trial import Trial
from relay.directory.dns_records import DnsIdentity
from relay.dns.resolver import Resolver
from relay.egress import Network
from relay.metrics import Metrics
from relay.outbound.context import SendContext
from relay.outbound.feedback.ses_events import SesEvents
from relay.signing.secrets import MasterKey
from relay.web.http.limits import DEFAULTS, ApiLimits
from store.engine import Store
from store.records.mail import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """Collaborators of every route."""

    store: Store
    clock: Clock
    base_url: str
    master: MasterKey  # opens and closes what must not lie in the store in clear
    metrics: Metrics
    is_ready: Callable[[], Awaitable[bool]]  # able to accept mail
    try_webhook: Callable[[Agent], Awaitable[Trial]]  # posts a sample event
    resolver: Resolver  # answers from no memory: what was published a moment ago is seen
    place: DnsIdentity
    shared_domain: str | None  # where agents are made from a slug
    allow: Sequence[Network]  # private networks that webhooks may be in
    max_message_bytes: int  # of a mail that comes in
    send_context: SendContext  # what writing and sending need
    ses_events: SesEvents | None = None  # None where no topic is listened to
    limits: ApiLimits = DEFAULTS
    closing: asyncio.Event = field(default_factory=asyncio.Event)  # set once requests under way must end

    def close(self) -> None:
        """Have every request that waits for something to happen end now."""
        self.closing.set()
        self.store.notifier.wake_all()
