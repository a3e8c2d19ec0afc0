"""Receive the octets of one mail into a spool, within the memory budget."""

from relay.errors import SpoolFull
from relay.smtp.budget import Reservation
from relay.smtp.data import BdatReceiver, DotReceiver
from relay.smtp.replies import NO_STORAGE, SMUGGLING, Reply
from relay.smtp.session import FAULT_REPLIES
from relay.spool import Spool
from store.errors import words_of


class Intake:
    """Stores the octets of a mail, or drops them and says why. Close it."""

    def __init__(self, receiver: DotReceiver | BdatReceiver, spool: Spool, reservation: Reservation) -> None:
        self.receiver = receiver
        self.spool = spool
        self._reservation = reservation
        self.cause: str | None = None  # why octets were dropped though the mail is valid, for the log

    @property
    def refusal(self) -> Reply | None:
        """The reply that refuses the mail, or None. Final once all octets have arrived."""
        if self.receiver.smuggles:
            return SMUGGLING
        if self.receiver.fault:
            return FAULT_REPLIES[self.receiver.fault]
        return NO_STORAGE if self.cause else None

    def feed(self, chunk: bytes) -> None:
        """Add the mail's octets of *chunk*.

        Once the budget or the disk is full, further octets are dropped.
        """
        clean = self.receiver.feed(chunk)
        if not clean or self.cause:
            return
        if not self._reservation.cover(self.spool.size + len(clean)):
            self.cause = "the bytes in flight of this peer, or of all, are used up"
            return
        try:
            self.spool.write(clean)
        except SpoolFull as error:
            self.cause = words_of(error)

    def close(self) -> None:
        """Drop the octets and end the reservation."""
        self.spool.close()
        self._reservation.end()
