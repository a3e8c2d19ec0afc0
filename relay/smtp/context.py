"""Shared state of an SMTP server: collaborators, limits, connected clients."""

from asyncio import Event
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.metrics import Metrics
from relay.smtp.admission import SmtpPool
from relay.smtp.budget import MemoryBudget
from relay.smtp.limits import Limits
from relay.smtp.peers import PeerRate
from relay.smtp.refusal_log import RefusalLog
from relay.smtp.tls import Certificates
from relay.spool import Spool
from relay.turns import Turns
from store.records.mail import Recipient

AdmitRecipient = Callable[[Address], Awaitable[Recipient]]
"""Returns the agent that receives mail for an address. Raises UnknownRecipient, Deferred, or an error of the store.

It runs outside of a task, and on SQLite to its end without a wait.
"""

CheckPeer = Callable[[IPv4Address | IPv6Address, Address | None, Address], Awaitable[None]]
"""Refuses an admitted recipient because of who sends: peer, reverse-path, recipient. Raises Refused, Deferred."""

ReceiveMail = Callable[[Envelope, Spool, Sequence[Recipient]], Awaitable[Sequence[str]]]
"""Stores a mail and returns its message ids in RCPT order, after the commit. The server closes the spool then.

The third argument is what admitting each recipient returned, in RCPT order.
"""


_MAILS_AT_ONCE: Final = 16  # the store commits what waits together: fewer would commit more often


class SmtpClient(Protocol):
    """A connected client, as a stop of the server sees it."""

    def interrupt(self) -> None:
        """The server stops: end the session at the next command."""
        ...

    def cut(self) -> None:
        """The grace period is over: end the session now."""
        ...


@dataclass(slots=True, kw_only=True)
class SmtpContext:
    """Collaborators, limits and connected clients of one SMTP server."""

    admit: AdmitRecipient
    receive: ReceiveMail
    check_peer: CheckPeer | None = None  # None where no setting asks for it
    hostname: str
    limits: Limits
    certificates: Certificates | None
    spool_directory: Path | None
    connections: SmtpPool
    mail_rate: PeerRate
    budget: MemoryBudget
    metrics: Metrics
    turns: Turns = field(default_factory=Turns)  # of commands
    data_turns: Turns = field(default_factory=Turns)  # of chunks of large mails
    mail_turns: Turns = field(default_factory=lambda: Turns(_MAILS_AT_ONCE))  # of mails to judge and store
    log: FilteringBoundLogger
    refusals: RefusalLog | None = None  # from the start of the server on
    stopping: bool = False
    clients: set[SmtpClient] = field(default_factory=set)
    no_clients: Event = field(default_factory=Event)  # set while no client is connected

    def add_client(self, client: SmtpClient) -> None:
        """*client* has connected and is accepted."""
        self.clients.add(client)
        self.no_clients.clear()

    def remove_client(self, client: SmtpClient) -> None:
        """*client* has disconnected."""
        self.clients.discard(client)
        if not self.clients:
            self.no_clients.set()
