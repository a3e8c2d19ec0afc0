"""Where a provider posts its events: the source of one courier, and the secret in the path that it posts to."""

import base64
from typing import Protocol

from relay.signing.secrets import MasterKey, mac


class EventSource(Protocol):
    """Takes what one provider posts to ``/COURIER/events/SECRET``."""

    @property
    def secret(self) -> str:
        """The last segment of the path: only the provider knows it."""
        ...

    async def take(self, body: bytes) -> None:
        """Verify *body* and apply its events, once however often it comes.

        Raises UnprovenEvent where the provider did not send it; SnsUnreachable and Unavailable, on which the
        provider must repeat it.
        """
        ...


def events_secret(master: MasterKey, courier: str) -> str:
    """The secret in the path of *courier*'s events where the operator sets none: 43 characters, always the same."""
    return base64.urlsafe_b64encode(mac(master.links, f"{courier} events".encode())).rstrip(b"=").decode("ascii")
