"""What the web needs of the daemon, joined once at the start."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.clock import Clock
from relay.metrics import Metrics
from store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Collaborators of every route."""

    store: Store
    clock: Clock
    base_url: str
    metrics: Metrics
    is_ready: Callable[[], Awaitable[bool]]  # able to accept mail
