"""One mail on its way in: octets from a receiver to a spool, inside the budget."""

from relay.errors import SpoolFull
from relay.smtp.admission import Reservation
from relay.smtp.data import BdatReceiver, DotReceiver
from relay.smtp.replies import NO_ROOM, Reply
from relay.smtp.session import FAULT_REPLIES
from relay.spool import Spool


class Intake:
    """Keeps what arrives, or throws it away and knows why. Close it."""

    def __init__(self, receiver: DotReceiver | BdatReceiver, spool: Spool, lease: Reservation) -> None:
        self.receiver = receiver
        self.spool = spool
        self._lease = lease
        self._full = False

    @property
    def refusal(self) -> Reply | None:
        """Why the mail cannot be kept, if so. Final once all of it has arrived."""
        if self.receiver.fault:
            return FAULT_REPLIES[self.receiver.fault]
        return NO_ROOM if self._full else None

    def feed(self, chunk: bytes) -> None:
        """Take what *chunk* has of the mail. With no room left the rest is read and let go."""
        clean = self.receiver.feed(chunk)
        if not clean or self._full:
            return
        if not self._lease.cover(self.spool.size + len(clean)):
            self._full = True
            return
        try:
            self.spool.write(clean)
        except SpoolFull:
            self._full = True

    def close(self) -> None:
        """Let the octets and the share of the budget go."""
        self.spool.close()
        self._lease.end()
