"""The state machine of one SMTP session: which command may follow which.

RFC 5321 §4.1.4. No I/O.
``command`` takes a line and returns a Reply, or the step that the connection must do before it replies:
admit a recipient, receive a mail's octets, or start TLS. Each reply passes through ``answer``, which counts
errors and ends a session with too many.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from relay.mail.address import Address
from relay.smtp import commands, replies
from relay.smtp.commands import Bdat, Command, Data, Ehlo, Helo, MailFrom, RcptTo, Rset, Unknown, parse_command
from relay.smtp.data import DataFault
from relay.smtp.grammar import SyntaxRefused
from relay.smtp.limits import Limits
from relay.smtp.replies import Reply
from store.names import normalise_local
from store.records.mail import Recipient

# A BDAT chunk of this many octets is not counted as a command: the size limit of the mail bounds their number.
_COUNTED_BELOW: Final = 1024

# Commands that change no mail.
_JUNK: Final = (commands.Noop, Rset, commands.Vrfy, commands.Expn, commands.Help)

FAULT_REPLIES: Final[Mapping[DataFault, Reply]] = MappingProxyType(
    {
        DataFault.BARE_LINE_END: replies.BARE_LINE_END,
        DataFault.NUL: replies.NUL_IN_DATA,
        DataFault.LINE_TOO_LONG: replies.DATA_LINE_TOO_LONG,
        DataFault.TOO_LARGE: replies.TOO_LARGE,
    }
)

_CONSTANT: Final[Mapping[type, Reply]] = MappingProxyType(
    {
        commands.Noop: replies.OK,
        commands.Quit: replies.BYE,
        commands.Vrfy: replies.CANNOT_VERIFY,
        commands.Expn: replies.NOT_IMPLEMENTED,
        commands.Help: replies.HELP,
    }
)


@dataclass(frozen=True, slots=True)
class Admit:
    """Ask which agent receives mail for *recipient*, then call ``admitted``."""

    recipient: Address


@dataclass(frozen=True, slots=True)
class StartData:
    """Reply 354 and receive a mail up to its final dot, then call ``finish``."""


@dataclass(frozen=True, slots=True)
class StartChunk:
    """Receive *size* octets, which follow the command at once.

    Drop them when there is a *refusal*.
    """

    size: int  # octets
    last: bool
    refusal: Reply | None


@dataclass(frozen=True, slots=True)
class UpgradeToTls:
    """Reply 220 and start TLS, then call ``secure``."""


Step = Reply | Admit | StartData | StartChunk | UpgradeToTls


@dataclass(slots=True)
class Transaction:
    """A mail transaction that was begun and has not ended (RFC 5321 §3.3)."""

    sender: Address | None  # None is <>
    size: int  # octets as declared, 0 when not
    smtputf8: bool
    recipients: list[Address] = field(default_factory=list)  # admitted ones, in RCPT order
    agents: list[Recipient] = field(default_factory=list)  # that receive for them, in the same order
    chunked: bool = False  # BDAT has begun
    named: set[tuple[str, str]] = field(default_factory=set)  # of each recipient, to know it again


class SmtpSession:
    """The state of one client's session.

    Reads no clock: the connection keeps the deadlines.
    """

    def __init__(
        self,
        *,
        hostname: str,
        limits: Limits,
        offers_tls: bool,
        may_begin: Callable[[int], Reply | None] = lambda _size: None,
    ) -> None:
        """*may_begin* gets the declared size of each mail, 0 without one, and returns a reply that refuses it."""
        self._hostname = hostname
        self._limits = limits
        self._offers_tls = offers_tls
        self._may_begin = may_begin
        self._commands = self._errors = self._overflow = self._junk = self._begun = 0
        self.secured = False
        self.extended = False  # EHLO, not HELO
        self.helo = ""
        self.transaction: Transaction | None = None

    @property
    def protocol(self) -> str:
        """The protocol keyword of a Received field (RFC 3848, RFC 6531 §4.3)."""
        if not self.extended:
            return "SMTP"
        wide = self.transaction is not None and self.transaction.smtputf8
        return ("UTF8SMTP" if wide else "ESMTP") + ("S" if self.secured else "")

    def command(self, line: bytes) -> Step:
        """The reply to *line*, which has no CRLF, or the step to do first."""
        transaction = self.transaction
        try:
            command = parse_command(line, smtputf8=transaction is not None and transaction.smtputf8)
        except SyntaxRefused as refusal:
            self._commands += 1
            return self._within(refusal.reply)
        if not (isinstance(command, Bdat) and command.size >= _COUNTED_BELOW):
            self._commands += 1
        self._junk += isinstance(command, _JUNK)
        if self._commands > self._limits.max_commands or self._junk > self._limits.max_junk:
            return replies.TOO_MANY_COMMANDS
        return self._step(command)

    def answer(self, reply: Reply) -> Reply:
        """*reply*, or TOO_MANY_ERRORS when it is one error too many."""
        if reply is replies.TOO_MANY_RECIPIENTS:
            # A sender of a long list may name as many again, and sends them later (RFC 5321 §4.5.3.1.10).
            self._overflow += 1
        elif reply.code >= 500 or reply.code == 452:
            self._errors += 1
        else:
            return reply
        limits = self._limits
        if self._errors > limits.max_errors or self._overflow > max(limits.max_recipients, limits.max_errors):
            return replies.TOO_MANY_ERRORS
        return reply

    @property
    def is_slowed(self) -> bool:
        """Whether the client made so many errors that each reply is delayed."""
        return self._errors + self._overflow >= self._limits.delay_after_errors

    def admitted(self, recipient: Address, agent: Recipient) -> Reply:
        """Add *recipient* to the transaction; *agent* receives its mail."""
        assert self.transaction is not None
        self.transaction.named.add(_folded(recipient))
        self.transaction.recipients.append(recipient)
        self.transaction.agents.append(agent)
        return replies.RECIPIENT_OK

    def finish(self, *, kept: bool) -> None:
        """End the mail transaction.

        An accepted mail resets the counts of commands and errors.
        """
        self.transaction = None
        if kept:
            self._commands = self._errors = self._overflow = self._junk = 0

    def secure(self) -> None:
        """TLS is up: drop all state from before it (RFC 3207 §4.2)."""
        self.secured, self.extended, self.helo, self.transaction = True, False, "", None

    def _step(self, command: Command) -> Step:  # noqa: PLR0911 (a table)
        match command:
            case RcptTo():
                return self._rcpt(command)
            case MailFrom():
                return self._mail(command)
            case Data():
                return self._data()
            case Ehlo() | Helo():
                return self._hello(command)
            case Bdat():
                return self._bdat(command)
            case Rset():
                self.transaction = None
                return replies.OK
            case commands.StartTls():
                return self._starttls()
            case Unknown():
                return command.reply
            case _:
                return _CONSTANT[type(command)]

    def _within(self, reply: Reply) -> Reply:
        return replies.TOO_MANY_COMMANDS if self._commands > self._limits.max_commands else reply

    def _hello(self, command: Ehlo | Helo) -> Step:
        self.helo, self.extended, self.transaction = command.name, isinstance(command, Ehlo), None
        return replies.hello(self._hostname, command.name, self._keywords() if self.extended else ())

    def _keywords(self) -> tuple[str, ...]:
        limits = self._limits
        return (
            "PIPELINING",
            f"SIZE {limits.max_message_bytes}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            *(("STARTTLS",) if self._offers_tls and not self.secured else ()),
            f"LIMITS MAILMAX={limits.max_transactions} RCPTMAX={limits.max_recipients}",
        )

    def _mail(self, command: MailFrom) -> Step:
        if not self.helo:
            return replies.NEED_HELO
        if self.transaction is not None:
            return replies.NESTED_MAIL
        if (command.size or 0) > self._limits.max_message_bytes:
            return replies.TOO_LARGE
        self._begun += 1
        if self._begun > self._limits.max_transactions:
            return replies.TOO_MANY_TRANSACTIONS
        if refusal := self._may_begin(command.size or 0):
            return refusal
        self.transaction = Transaction(command.sender, command.size or 0, command.smtputf8)
        return replies.SENDER_OK

    def _rcpt(self, command: RcptTo) -> Step:
        if self.transaction is None:
            return replies.NEED_MAIL
        if self.transaction.chunked:
            return replies.CHUNKS_BEGUN
        if _folded(command.recipient) in self.transaction.named:
            return replies.RECIPIENT_OK  # one mail to one recipient is one message, however often it is named
        if self.transaction.sender is None and len(self.transaction.recipients) >= self._limits.null_path_recipients:
            return replies.NULL_PATH_RECIPIENTS
        if len(self.transaction.recipients) >= self._limits.max_recipients:
            return replies.TOO_MANY_RECIPIENTS
        return Admit(command.recipient)

    def _data(self) -> Step:
        if refusal := self._data_refusal():
            return refusal
        assert self.transaction is not None
        return replies.CHUNKS_BEGUN if self.transaction.chunked else StartData()

    def _bdat(self, command: Bdat) -> Step:
        if command.size > self._limits.max_message_bytes:
            return replies.CHUNK_TOO_LARGE  # closes: to read and drop that many octets is what an attacker wants
        # The octets follow the command even when it is refused, so they must be read and dropped.
        refusal = self._data_refusal()
        if refusal is None and self.transaction is not None:
            self.transaction.chunked = True
        return StartChunk(command.size, command.last, refusal)

    def _data_refusal(self) -> Reply | None:
        if self.transaction is None:
            return replies.NEED_MAIL
        return None if self.transaction.recipients else replies.NEED_RECIPIENT

    def _starttls(self) -> Step:
        if self.secured:
            return replies.TLS_ALREADY
        if not self._offers_tls:
            return replies.NOT_IMPLEMENTED
        return UpgradeToTls() if self.helo else replies.NEED_HELO


def _folded(recipient: Address) -> tuple[str, str]:
    # Addresses compare case-insensitively, tags too.
    return normalise_local(recipient.local), recipient.domain
