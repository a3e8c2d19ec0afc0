"""SMTP replies: which error the server answers with 451, 550 and other codes.

Every reply has an enhanced status code (RFC 3463), except where RFC 2034 §4 forbids one: the
greeting, a successful answer to EHLO or HELO, and 354. A client never reads an exception's text. An
unknown error is answered 451, so that the sender tries again and good mail is not bounced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from relay.errors import (
    BadAddress,
    BadSecret,
    DnsUnavailable,
    ForbiddenTarget,
    Greylisted,
    HeaderTooLarge,
    MailLoop,
    PeerListed,
    Refused,
    RelayError,
    SenderUnproven,
    SpoolFull,
    Unauthenticated,
    UndecodableMail,
    UnknownRecipient,
)
from relay.metrics import MailOutcome
from store.errors import StoreError


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply to one command (RFC 5321 §4.2)."""

    code: int
    enhanced: str | None  # "5.1.1"
    text: str  # printable ASCII
    closes: bool = False  # the server closes the connection after it
    more: tuple[str, ...] = ()  # further lines

    @property
    def wire(self) -> bytes:
        """The octets to send, with every CRLF."""
        if self.more:
            return self._many()
        enhanced = f" {self.enhanced}" if self.enhanced else ""
        return f"{self.code}{enhanced} {self.text}\r\n".encode("ascii")

    @property
    def is_error(self) -> bool:
        """Whether the command failed (4xx or 5xx)."""
        return self.code >= 400

    def _many(self) -> bytes:
        lines = (self.text, *self.more)
        last = len(lines) - 1
        word = f"{self.enhanced} " if self.enhanced else ""
        return "".join(
            f"{self.code}{' ' if at == last else '-'}{word}{line}\r\n" for at, line in enumerate(lines)
        ).encode()


OK: Final = Reply(250, "2.0.0", "OK")
SENDER_OK: Final = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Recipient OK")
BYE: Final = Reply(221, "2.0.0", "Bye", closes=True)
READY_FOR_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
GO_AHEAD: Final = Reply(354, None, "End data with <CR><LF>.<CR><LF>")
CANNOT_VERIFY: Final = Reply(252, "2.5.2", "Cannot verify; send some mail and see")
HELP: Final = Reply(214, "2.0.0", "See RFC 5321")

SHUTTING_DOWN: Final = Reply(421, "4.3.2", "Service is stopping, try again later", closes=True)
TOO_MANY_CONNECTIONS: Final = Reply(421, "4.3.2", "Too many connections, try again later", closes=True)
TOO_MANY_FROM_PEER: Final = Reply(421, "4.7.0", "Too many connections from your address", closes=True)
TOO_MANY_COMMANDS: Final = Reply(421, "4.7.0", "Too many commands", closes=True)
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors", closes=True)
TOO_MANY_TRANSACTIONS: Final = Reply(421, "4.7.0", "Too many mails in this session, connect again", closes=True)
TIMED_OUT: Final = Reply(421, "4.4.2", "Waited too long, closing", closes=True)
MAKE_ROOM: Final = Reply(421, "4.3.2", "All connections are in use, and this one sent no mail", closes=True)
TOO_MANY_NEW: Final = Reply(421, "4.7.0", "Too many new connections from your address in a minute", closes=True)
TOO_SLOW: Final = Reply(421, "4.4.2", "The mail arrives too slowly, closing", closes=True)
BROKEN: Final = Reply(421, "4.3.0", "Try again later", closes=True)

TOO_MANY_MAILS: Final = Reply(450, "4.7.1", "Too many mails from your address in a minute, try again later")
TRY_LATER: Final = Reply(451, "4.3.0", "Try again later")
DNS_SILENT: Final = Reply(451, "4.4.3", "A name could not be looked up, try again later")
SENDER_UNPROVEN: Final = Reply(451, "4.7.26", "The sender could not be verified now, try again later")
NO_STORAGE: Final = Reply(452, "4.3.1", "Insufficient storage for mail, try again later")
NULL_PATH_RECIPIENTS: Final = Reply(452, "4.5.3", "A mail with the null reverse-path has one recipient")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients")

NOT_A_COMMAND: Final = Reply(500, "5.5.1", "Command unrecognized")
NOT_SMTP: Final = Reply(500, "5.5.2", "This is SMTP", closes=True)
BAD_LINE_END: Final = Reply(500, "5.5.2", "Bare CR or LF in a command", closes=True)
GREYLISTED: Final = Reply(451, "4.7.1", "Not known yet, try again later")
LINE_TOO_LONG: Final = Reply(500, "5.5.2", "Command line too long", closes=True)
EMPTY_LINE: Final = Reply(500, "5.5.2", "Empty command")
HTTP_SPOKEN: Final = Reply(502, "5.5.1", "This is not HTTP", closes=True)
NOT_IMPLEMENTED: Final = Reply(502, "5.5.1", "Command not implemented")
BAD_ARGUMENT: Final = Reply(501, "5.5.4", "Syntax error in arguments")
NO_ARGUMENT: Final = Reply(501, "5.5.4", "The command takes no argument")
BAD_HELO: Final = Reply(501, "5.5.4", "Syntax: EHLO or HELO, and a domain or address literal")
BAD_BDAT: Final = Reply(501, "5.5.4", "Syntax: BDAT size [LAST]", closes=True)
BAD_PARAMETER: Final = Reply(501, "5.5.4", "Malformed or repeated parameter")
BAD_SENDER: Final = Reply(501, "5.1.7", "Syntax: MAIL FROM:<address> [parameters]")
BAD_RECIPIENT: Final = Reply(501, "5.1.3", "Syntax: RCPT TO:<address>")
NEED_HELO: Final = Reply(503, "5.5.1", "Send EHLO first")
NEED_MAIL: Final = Reply(503, "5.5.1", "Send MAIL first")
NEED_RECIPIENT: Final = Reply(503, "5.5.1", "No valid recipient yet")
NESTED_MAIL: Final = Reply(503, "5.5.1", "A mail is already begun")
CHUNKS_BEGUN: Final = Reply(503, "5.5.1", "Only BDAT can follow BDAT")
EARLY_DATA: Final = Reply(503, "5.5.0", "Wait for 354 before the mail", closes=True)
TLS_ALREADY: Final = Reply(503, "5.5.1", "TLS is already on")
UNKNOWN_PARAMETER: Final = Reply(555, "5.5.4", "Parameter not recognized")

UNKNOWN_RECIPIENT: Final = Reply(550, "5.1.1", "No such recipient here")
UNDECODABLE: Final = Reply(550, "5.6.0", "The mail cannot be decoded")
NUL_IN_DATA: Final = Reply(550, "5.6.0", "The mail has NUL octets")
DATA_LINE_TOO_LONG: Final = Reply(550, "5.6.0", "The mail has too long a line")
BARE_LINE_END: Final = Reply(550, "5.6.11", "The mail has bare CR or LF")
SMUGGLING: Final = Reply(550, "5.6.11", "The mail has a bare CR or LF next to a dot", closes=True)
PEER_LISTED: Final = Reply(550, "5.7.1", "Your address is on a block list that is used here")
UNAUTHENTICATED: Final = Reply(550, "5.7.26", "The sender is not verified")
TOO_LARGE: Final = Reply(552, "5.3.4", "The mail is too large")
CHUNK_TOO_LARGE: Final = Reply(552, "5.3.4", "The chunk is larger than a mail may be", closes=True)
HEADER_TOO_LARGE: Final = Reply(552, "5.3.4", "The header section is too large")
BAD_MAILBOX: Final = Reply(553, "5.1.3", "The address cannot be used")
NEED_SMTPUTF8: Final = Reply(553, "5.6.7", "A non-ASCII address needs SMTPUTF8")
EARLY_TALK: Final = Reply(554, "5.5.0", "Wait for the greeting before the first command", closes=True)
TOO_MANY_HOPS: Final = Reply(554, "5.4.6", "The mail goes round in circles")
REFUSED: Final = Reply(554, "5.7.1", "Refused")

# The bound that each reply means, for the counter of bounds.
_BOUNDS: Final[Mapping[Reply, str]] = MappingProxyType(
    {
        TOO_MANY_COMMANDS: "smtp_commands",
        TOO_MANY_ERRORS: "smtp_errors",
        TOO_MANY_TRANSACTIONS: "smtp_mails_of_session",
        TOO_MANY_MAILS: "smtp_mail_rate",
        TOO_MANY_RECIPIENTS: "smtp_recipients",
        NULL_PATH_RECIPIENTS: "smtp_null_path_recipients",
        TIMED_OUT: "smtp_time",
        TOO_SLOW: "smtp_data_rate",
        EARLY_TALK: "smtp_early_talkers",
        LINE_TOO_LONG: "smtp_command_bytes",
        DATA_LINE_TOO_LONG: "smtp_line_bytes",
        TOO_LARGE: "smtp_mail_size",
        CHUNK_TOO_LARGE: "smtp_mail_size",
        HEADER_TOO_LARGE: "smtp_header",
        TOO_MANY_HOPS: "smtp_hops",
    }
)
_IDS_A_LINE: Final = 13  # of 36 characters at most

# The first class that matches counts, so subclasses come before their base class. BadSecret and
# ForbiddenTarget are faults of this relay's configuration: a 5xx for them would bounce good mail.
_BY_ERROR: Final[tuple[tuple[type[Exception], Reply], ...]] = (
    (UnknownRecipient, UNKNOWN_RECIPIENT),
    (Unauthenticated, UNAUTHENTICATED),
    (PeerListed, PEER_LISTED),
    (Greylisted, GREYLISTED),
    (UndecodableMail, UNDECODABLE),
    (HeaderTooLarge, HEADER_TOO_LARGE),
    (MailLoop, TOO_MANY_HOPS),
    (BadAddress, BAD_MAILBOX),
    (BadSecret, TRY_LATER),
    (ForbiddenTarget, TRY_LATER),
    (Refused, REFUSED),
    (SpoolFull, NO_STORAGE),
    (SenderUnproven, SENDER_UNPROVEN),
    (DnsUnavailable, DNS_SILENT),
)


def reply_to(error: Exception) -> Reply:
    """The reply to *error*: fixed text without the error's message.

    An error that is not in the table is answered 451 4.3.0.
    """
    return next((reply for kind, reply in _BY_ERROR if isinstance(error, kind)), TRY_LATER)


def bound_of(reply: Reply) -> str | None:
    """The name of the bound that a client has reached when *reply* answers it; None for all other replies."""
    return _BOUNDS.get(reply) if reply.is_error else None


def mail_outcome(error: Exception) -> MailOutcome:
    """The metric label of a mail that was not accepted because of *error*.

    ``refused`` when it is answered 5xx, ``deferred`` when a known error is answered 4xx, and ``failed`` when
    *error* is a bug: the sender reads the same 451, but the operator must look at the log.
    """
    if reply_to(error).code >= 500:
        return "refused"
    return "deferred" if isinstance(error, (RelayError, StoreError)) else "failed"


def greeting(hostname: str) -> Reply:
    """The greeting of a new connection (RFC 5321 §4.3.1)."""
    return Reply(220, None, f"{hostname} ESMTP Mailseal")


def hello(hostname: str, helo: str, keywords: tuple[str, ...] = ()) -> Reply:
    """The reply to EHLO, or without *keywords* to HELO (RFC 5321 §4.1.1.1)."""
    return Reply(250, None, f"{hostname} greets {helo}", more=keywords)


def accepted(message_ids: Sequence[str]) -> Reply:
    """The reply to an accepted mail: one message id per recipient, in RCPT order.

    At most 13 ids a line, so that no line is longer than 512 octets (RFC 5321 §4.5.3.1.5).
    """
    groups = [message_ids[at : at + _IDS_A_LINE] for at in range(0, len(message_ids), _IDS_A_LINE)] or [()]
    lines = ["Accepted as " + " ".join(group) for group in groups]
    return Reply(250, "2.0.0", lines[0], more=tuple(lines[1:]))


def chunk_taken(size: int) -> Reply:
    """The reply to a BDAT chunk of *size* octets that is not the last (RFC 3030 §2)."""
    return Reply(250, "2.0.0", f"{size} octets received")
