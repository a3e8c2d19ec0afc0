"""Everything that can go wrong, by what the other side should do about it.

::

    RelayError
    ├── Refused            will not be done, however often it is asked
    │   ├── BadAddress         not an address by RFC 5321 §4.1.2
    │   ├── UnknownRecipient   no agent has this address
    │   ├── Unauthenticated    the agent takes only verified mail
    │   ├── UndecodableMail    the bytes cannot be a mail at all
    │   ├── MailLoop           it has been through too many hands
    │   ├── BadSecret          not a secret this relay can open
    │   ├── ForbiddenTarget    a webhook URL that must not be asked
    │   ├── NoWebhook          the agent polls
    │   ├── NoSharedDomain     there is none to make an agent from a slug on
    │   ├── BadDraft           cannot be written as a mail
    │   │   └── MailTooLarge       more bytes than a courier takes
    │   ├── OutboundOff        nothing is sent out of this relay
    │   ├── Suppressed         a recipient does not want mail, or is not there
    │   ├── AutomatedMail      a machine wrote what would be answered
    │   ├── ContentGone        there is nothing left to hand on
    │   ├── BadLink            no link of ours, or its time is over
    │   ├── UnprovenEvent      a provider's event whose signature, topic or form is wrong
    │   ├── CourierRefused     the provider will not take this mail
    │   ├── BadExport          the file is no account's export
    │   └── StreamRefused      a relay will not have its events followed
    ├── Deferred           cannot be done now; trying again can help
    │   ├── SpoolFull          no room for more mail on this machine
    │   ├── SenderUnproven     DNS could not say who the sender is
    │   ├── DnsUnavailable     no nameserver gave an answer
    │   ├── CourierBusy        the provider does not take mail now
    │   ├── Stopping           the daemon is stopping and begins no new work
    │   ├── SnsUnreachable     who signs a provider's events cannot be asked now
    │   └── StreamCut          the line to a relay's events is gone
    └── Misconfigured      the operator must change something before a start

Rooms raise these and the store's own (store/errors.py); each door turns them
into its protocol's words by one table. A stranger never sees a message of theirs.
"""


class RelayError(Exception):
    """Base of all errors the relay raises itself."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Refused(RelayError):
    """Will not be done, however often it is asked."""


class BadAddress(Refused):
    """Not an address."""


class UnknownRecipient(Refused):
    """No agent has this address."""


class Unauthenticated(Refused):
    """The agent takes only mail whose sender is verified."""


class UndecodableMail(Refused):
    """The bytes cannot be read as a mail."""


class MailLoop(Refused):
    """The mail has been through too many hands: it is going round in circles."""


class BadSecret(Refused):
    """Not a secret this relay can open."""


class ForbiddenTarget(Refused):
    """The webhook's address must not be connected to."""


class NoWebhook(Refused):
    """The agent has no webhook."""


class NoSharedDomain(Refused):
    """This relay has no shared domain: give a full address on a domain of yours."""


class BadDraft(Refused):
    """The draft cannot be written as a mail."""

    def __init__(self, message: str | None = None, *, field: str = "", index: int | None = None) -> None:
        super().__init__(message)
        self.field = field  # of the draft: "to", "subject", "attachments", …
        self.index = index  # which of the field's items, from 0; None for the field as a whole


class MailTooLarge(BadDraft):
    """The mail is larger than is sent from here."""


class OutboundOff(Refused):
    """This relay sends no mail out (MAILSEAL_OUTBOUND=none); agents on it can write to each other."""


class Suppressed(Refused):
    """A recipient had a hard bounce or complained, and is not written to any more."""

    def __init__(self, message: str | None = None, *, addresses: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.addresses = addresses


class AutomatedMail(Refused):
    """The mail is automatic (RFC 3834): answer it with "allow_automated": true only."""


class ContentGone(Refused):
    """The message's content is not kept any more."""


class BadLink(Refused):
    """Not a link of ours, or its time is over."""


class UnprovenEvent(Refused):
    """Not an event that the provider has signed for this relay."""


class CourierRefused(Refused):
    """The provider will not take this mail; the message holds its words."""


class BadExport(Refused):
    """The file is no account's export; the message names the line."""


class StreamRefused(Refused):
    """The relay will not have its events followed."""


class Deferred(RelayError):
    """Cannot be done now; trying again can help."""


class SpoolFull(Deferred):
    """No room for more mail on this machine."""


class SenderUnproven(Deferred):
    """DNS could not say who the sender is."""


class DnsUnavailable(Deferred):
    """No nameserver gave an answer in time."""


class CourierBusy(Deferred):
    """The provider does not take mail now, and certainly did not take this one."""

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds  # the least that it wants one to wait


class Stopping(Deferred):
    """The daemon is stopping and begins no new work."""


class SnsUnreachable(Deferred):
    """Who signs the provider's events does not answer now."""


class StreamCut(Deferred):
    """The line to the relay's events is gone."""

    def __init__(self, message: str | None = None, *, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds  # the least that the relay wants one to wait


class DaemonRuns(Deferred):
    """The data directory is in use."""


class Misconfigured(RelayError):
    """The operator must change something before a start."""
