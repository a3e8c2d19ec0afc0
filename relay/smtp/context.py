"""What all connections of one door share."""

from asyncio import Event
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.smtp.admission import ConnectionLimits, MemoryBudget
from relay.smtp.limits import Limits
from relay.smtp.tls import Certificates
from relay.spool import Spool

AdmitRecipient = Callable[[Address], Awaitable[object]]
"""Answers what is known of a recipient that exists. Raises UnknownRecipient, Deferred, or an error of the store."""

ReceiveMail = Callable[[Envelope, Spool, Sequence[Any]], Awaitable[Sequence[str]]]
"""Takes responsibility for a mail: message ids in RCPT order, once they are on disk. The spool is closed behind it.

The third is what admitting the recipients answered, in RCPT order: the door only carries it.
"""


class SmtpClient(Protocol):
    """A client inside, as far as the door needs to know."""

    def interrupt(self) -> None:
        """The door closes: end at the next command."""
        ...

    def cut(self) -> None:
        """The grace is over: end now."""
        ...


@dataclass(slots=True, kw_only=True)
class SmtpContext:
    """Collaborators, limits and who is inside."""

    admit: AdmitRecipient
    receive: ReceiveMail
    hostname: str
    limits: Limits
    certificates: Certificates | None
    spool_directory: Path | None
    room: ConnectionLimits
    budget: MemoryBudget
    log: Any  # a structlog logger
    stopping: bool = False
    inside: set[SmtpClient] = field(default_factory=set)
    emptied: Event = field(default_factory=Event)  # set while nobody is inside

    def entered(self, guest: SmtpClient) -> None:
        """*guest* has been let in."""
        self.inside.add(guest)
        self.emptied.clear()

    def left(self, guest: SmtpClient) -> None:
        """*guest* is gone."""
        self.inside.discard(guest)
        if not self.inside:
            self.emptied.set()
