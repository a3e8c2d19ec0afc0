"""The collaborators of writing, reviewing and sending mail, joined once at the start."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from relay.clock import Clock
from relay.mail.routes import Routes
from relay.metrics import SendOutcome
from relay.outbound.compose.compose import MAX_WIRE_BYTES
from relay.outbound.couriers.courier import Courier
from relay.outbound.couriers.senders import Senders
from relay.outbound.policy import Caps
from relay.signing.secrets import MasterKey
from relay.tasks import TaskSet
from store.engine import Store

REVIEW_PATH: Final = "/review/"


def uncounted(outcome: SendOutcome) -> None:
    """Count nothing: a single command has no metrics."""
    del outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SendContext:
    """Collaborators of every step that writes, reviews or sends."""

    store: Store
    clock: Clock
    master: MasterKey
    routes: Routes  # which addresses are agents of this very relay
    base_url: str  # of links to people, without a final slash
    courier: Courier | None  # None where no provider is configured
    senders: Senders  # which address a mail leaves from
    tags_return_path: bool = False  # the reverse-path of mail has a signed tag
    caps: Caps = field(default_factory=Caps)
    max_bytes: int = MAX_WIRE_BYTES
    count: Callable[[SendOutcome], None] = uncounted
    lease: timedelta = timedelta(minutes=5)  # longer than any send may take
    tasks: TaskSet = field(default_factory=TaskSet)  # approvals, which outlive the request that asked for them

    @property
    def hostname(self) -> str:
        """Our own name."""
        return self.routes.hostname

    async def stop_sending(self, grace_seconds: float) -> None:
        """Begin no further hand-over, and let approvals end within *grace_seconds*.

        The courier refuses first: an approval that waits for the provider's quota returns to pending at once.
        """
        if self.courier is not None:
            self.courier.stop_accepting()
        await self.tasks.drain(grace_seconds)
