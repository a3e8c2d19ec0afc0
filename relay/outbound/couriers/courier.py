"""The courier interface: hand one mail over to a provider. All that other packages know of a provider."""

from collections.abc import Sequence
from typing import Protocol

from relay.outbound.couriers.lease_guard import LeaseCheck


class Courier(Protocol):
    """Hands mails over to one provider, each once."""

    async def carry(
        self, raw: bytes, *, mail_from: str, recipients: Sequence[str], attempt_id: str, check_lease: LeaseCheck
    ) -> str:
        """Hand over *raw* for all *recipients* (1 to 50), and return the provider's message id.

        The provider accepts the mail for all recipients or for none. A courier does not retry.

        Args:
            raw: Wire bytes (relay/outbound/compose).
            mail_from: The envelope's sender.
            recipients: The envelope's recipients, bcc included.
            attempt_id: Our id of this attempt; the provider's events name it.
            check_lease: Called at the last moment at which the mail can be kept back; its error is passed on.

        Raises:
            CourierRefused: The provider will not accept this mail.
            CourierBusy: The provider does not accept it now or cannot be reached, or the courier has stopped
                accepting; the mail has certainly not been handed over.
            SendUnconfirmed: The provider may have the mail.
        """
        ...

    def stop_accepting(self) -> None:
        """Begin no further hand-over; those that have begun go on.

        From now on carry raises CourierBusy, also for a mail that waits for the provider's quota.
        """
        ...

    async def close(self) -> None:
        """Stop accepting, let running hand-overs end, then release threads and connections."""
        ...
