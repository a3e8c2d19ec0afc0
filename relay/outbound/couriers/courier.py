"""Whoever carries a mail away: the one thing that the rest of the house knows of a provider."""

from collections.abc import Sequence
from typing import Protocol

from relay.outbound.couriers.lease_guard import LeaseCheck


class Courier(Protocol):
    """Hands one mail over, once."""

    async def carry(
        self, raw: bytes, *, mail_from: str, recipients: Sequence[str], attempt_id: str, check_lease: LeaseCheck
    ) -> str:
        """Hand over *raw* for all *recipients* (1 to 50), and answer the provider's id of it.

        All of them get it or none does; nothing is tried twice.

        Args:
            raw: Wire bytes (relay/outbound/compose).
            mail_from: The envelope's sender.
            recipients: The envelope's recipients, bcc included.
            attempt_id: Ours, for finding the provider's events about this try.
            check_lease: Asked at the last moment at which the mail can be kept back; what it raises is raised on.

        Raises:
            CourierRefused: The provider will not take this mail.
            CourierBusy: It does not now, or could not be asked; it certainly has not got it.
            SendUnconfirmed: It may have got it.
        """
        ...

    async def close(self) -> None:
        """Wait for what is being carried, then let go of threads and connections."""
        ...
