"""Relay errors, grouped by what the other side should do.

::

    RelayError
    ├── Refused            a retry cannot help
    │   ├── BadAddress         not an address by RFC 5321 §4.1.2
    │   ├── UnknownRecipient   no agent has this address
    │   ├── Unauthenticated    the agent accepts only verified mail
    │   ├── PeerListed         the peer is on a DNS block list (RFC 5782)
    │   ├── UndecodableMail    the bytes cannot be parsed as mail
    │   ├── HeaderTooLarge     the header section has too many bytes or fields
    │   ├── MailLoop           too many Received fields (RFC 5321 §6.3)
    │   ├── BadSecret          a signing secret is malformed or cannot be decrypted
    │   ├── ForbiddenTarget    a webhook URL that must not be contacted
    │   ├── NoWebhook          the agent polls
    │   ├── NoSharedDomain     a slug needs a shared domain, and none is configured
    │   ├── BadDraft           cannot be composed as a mail
    │   │   └── MailTooLarge       exceeds the configured size or the courier's limit
    │   ├── OutboundOff        outbound mail is disabled
    │   ├── Suppressed         a recipient is on the suppression list
    │   ├── AutomatedMail      the message to be answered is automatic (RFC 3834)
    │   ├── ContentGone        the message's content was deleted
    │   ├── BadLink            a malformed, forged or expired signed link
    │   ├── UnprovenEvent      a provider event with a bad signature, topic or form
    │   ├── CourierRefused     the provider rejected the message
    │   ├── BadExport          the file is not an account export
    │   └── StreamRefused      a relay refuses to stream its events
    ├── Deferred           a retry can help
    │   ├── SpoolFull          no space for more mail on this machine
    │   ├── LeaseTooShort      the lease of a delivery could end before its post
    │   ├── SenderUnproven     a DNS failure: the sender cannot be authenticated now
    │   ├── Greylisted         the first mail of an unknown peer (RFC 6647)
    │   ├── DnsUnavailable     no nameserver answered
    │   ├── CourierBusy        the provider does not accept mail now
    │   ├── Stopping           this process is stopping
    │   ├── SnsUnreachable     Amazon SNS cannot be reached
    │   ├── StreamCut          the connection to a relay's event stream was lost
    │   ├── ListenAddressBusy  another process listens there, or the network lacks it
    │   └── DaemonRuns         another process uses the data directory
    └── Misconfigured      the operator must change the configuration

Use cases raise these and the store's own (store/errors.py). Each protocol translates them by one table:
relay/smtp/replies.py, relay/web/answers/problems.py. An SMTP client never sees their messages; the first line of
each docstring is the default message. tests/project/test_error_trees.py compares the tree with the classes.
"""


class RelayError(Exception):
    """Base class of all errors that the relay itself raises."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Refused(RelayError):
    """The operation is refused; a retry cannot help."""


class BadAddress(Refused):
    """Not an address."""


class UnknownRecipient(Refused):
    """No agent has this address."""


class Unauthenticated(Refused):
    """The agent accepts only mail from a verified sender."""


class PeerListed(Refused):
    """The peer's address is on a DNS block list that the operator uses."""


class UndecodableMail(Refused):
    """The bytes cannot be parsed as mail."""


class HeaderTooLarge(Refused):
    """The header section of the mail has too many bytes or fields."""


class MailLoop(Refused):
    """The mail has too many Received fields: it is in a loop."""


class BadSecret(Refused):
    """The signing secret cannot be used."""


class ForbiddenTarget(Refused):
    """The webhook URL's address must not be contacted."""


class NoWebhook(Refused):
    """The agent has no webhook; set webhook_url first."""


class NoSharedDomain(Refused):
    """This relay has no shared domain: give a full address on a domain of yours."""


class BadDraft(Refused):
    """The draft cannot be composed as a mail."""

    def __init__(self, message: str | None = None, *, field: str = "", index: int | None = None) -> None:
        super().__init__(message)
        self.field = field  # name of the draft's field: "to", "subject", "attachments", …
        self.index = index  # index of the field's item, from 0; None: the whole field


class MailTooLarge(BadDraft):
    """The mail is larger than this relay sends."""


class OutboundOff(Refused):
    """Outbound mail is off (MAILSEAL_OUTBOUND=none): only local agents can be reached."""


class Suppressed(Refused):
    """A recipient is on the suppression list: a hard bounce or a complaint."""

    def __init__(self, message: str | None = None, *, addresses: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.addresses = addresses


class AutomatedMail(Refused):
    """The mail is automatic (RFC 3834); set "allow_automated": true to answer it."""


class ContentGone(Refused):
    """The message's content is no longer stored."""


class BadLink(Refused):
    """The link is not valid, or it has expired."""


class UnprovenEvent(Refused):
    """The event is not signed by the provider for this relay."""


class CourierRefused(Refused):
    """The provider rejected the mail."""


class BadExport(Refused):
    """The file is not an account export."""


class StreamRefused(Refused):
    """The relay refuses to stream its events."""


class Deferred(RelayError):
    """The operation cannot be done now; try again later."""


class SpoolFull(Deferred):
    """No space for more mail on this machine."""


class LeaseTooShort(Deferred):
    """The lease of a delivery could end before its post: another worker may make it then."""


class SenderUnproven(Deferred):
    """The sender cannot be authenticated now: DNS failed."""


class Greylisted(Deferred):
    """The peer is not known yet: its mail is deferred once (RFC 6647)."""


class DnsUnavailable(Deferred):
    """No nameserver answered in time."""


class CourierBusy(Deferred):
    """The provider does not accept mail now, and has not accepted this one."""

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds  # minimum delay that the provider asks for


class Stopping(Deferred):
    """The relay is stopping and starts no new work."""


class SnsUnreachable(Deferred):
    """Amazon SNS cannot be reached."""


class StreamCut(Deferred):
    """The connection to the relay's event stream was lost."""

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds  # minimum delay that the relay asks for


class ListenAddressBusy(Deferred):
    """The address to listen on is in use, or not there yet."""


class DaemonRuns(Deferred):
    """Another process uses the data directory."""


class Misconfigured(RelayError):
    """The operator must change the configuration."""
