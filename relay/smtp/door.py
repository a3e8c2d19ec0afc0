"""What all connections of one door share."""

from asyncio import Event
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.smtp.limits import Limits
from relay.smtp.room import Budget, Room
from relay.smtp.tls import Certificates
from relay.spool import Spool

if TYPE_CHECKING:
    from relay.smtp.connection import Connection

AdmitRecipient = Callable[[Address], Awaitable[object]]
"""Answers what is known of a recipient that exists. Raises UnknownRecipient, Deferred, or an error of the store."""

ReceiveMail = Callable[[Envelope, Spool, Sequence[Any]], Awaitable[Sequence[str]]]
"""Takes responsibility for a mail: message ids in RCPT order, once they are on disk. The spool is closed behind it.

The third is what admitting the recipients answered, in RCPT order: the door only carries it.
"""


@dataclass(slots=True, kw_only=True)
class Door:
    """Collaborators, limits and who is inside."""

    admit: AdmitRecipient
    receive: ReceiveMail
    hostname: str
    limits: Limits
    certificates: Certificates | None
    spool_directory: Path | None
    room: Room
    budget: Budget
    log: Any  # a structlog logger
    stopping: bool = False
    inside: "set[Connection]" = field(default_factory=set)
    emptied: Event = field(default_factory=Event)  # set while nobody is inside

    def entered(self, connection: "Connection") -> None:
        """*connection* has been let in."""
        self.inside.add(connection)
        self.emptied.clear()

    def left(self, connection: "Connection") -> None:
        """*connection* is over."""
        self.inside.discard(connection)
        if not self.inside:
            self.emptied.set()
