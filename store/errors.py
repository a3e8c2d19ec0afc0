"""What the store says when it cannot do what was asked.

::

    StoreError
    ├── Unavailable          the database cannot answer now: trying again can help
    ├── NotFound             no such row, or it is someone else's
    │   ├── UserNotFound
    │   ├── KeyNotFound
    │   ├── DomainNotFound
    │   ├── AgentNotFound
    │   ├── MessageNotFound
    │   ├── ConversationNotFound
    │   ├── DeliveryNotFound
    │   └── SuppressionNotFound
    ├── SendingPaused        the operator has stopped all sending
    ├── SendUnconfirmed      of a caller's send: the provider may have taken the mail
    └── Conflict             the rows are not in the state that this needs
        ├── InvalidValue         a value the schema does not allow
        ├── EmailTaken           by a user who signs in as another
        ├── AddressTaken
        ├── DomainNotAvailable   verified by somebody else
        ├── DomainHasAgents
        ├── DomainUnproven       the TXT record was not seen
        ├── NotReplayable        the delivery is not dead or delivered
        ├── IdempotencyMismatch  the key was used for another request
        ├── NotPendingApproval   decided by somebody else, expired, or never a hold
        ├── Outdated             the draft is not the one that was looked at any more
        ├── NotUnconfirmed       there is nothing to resolve
        ├── NotFailed            there is nothing to try again
        ├── FileExists           a backup writes over nothing by itself
        ├── TargetNotEmpty       a store is copied into an empty database alone
        ├── NotCopyable          the other database cannot hold a row
        ├── CopyDiffers          what arrived is not what was sent
        └── LeaseLost            the receipt's lease is over, or the message is gone

No caller ever sees an exception of SQLAlchemy or of a driver.
"""


class StoreError(Exception):
    """Base of all errors of the store."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Unavailable(StoreError):
    """The database cannot answer now."""


class NotFound(StoreError):
    """No such row."""


class UserNotFound(NotFound):
    """No such user."""


class KeyNotFound(NotFound):
    """No such API key."""


class DomainNotFound(NotFound):
    """No such domain."""


class AgentNotFound(NotFound):
    """No such agent."""


class MessageNotFound(NotFound):
    """No such message."""


class ConversationNotFound(NotFound):
    """No such conversation."""


class DeliveryNotFound(NotFound):
    """No such delivery."""


class SuppressionNotFound(NotFound):
    """Mail to this address is not held back."""


class SendUnconfirmed(StoreError):
    """The provider may have taken the mail: the answer was lost.

    Raised by the send that a caller hands to store/outbound/handover.py, and raised on from there.
    """


class SendingPaused(StoreError):
    """All sending is stopped; the operator starts it again with `mailseal resume`."""


class Conflict(StoreError):
    """The rows are not in the state that this needs."""


class InvalidValue(Conflict):
    """A value that the schema does not allow."""


class EmailTaken(Conflict):
    """The email is another user's."""


class AddressTaken(Conflict):
    """An agent has this address already."""


class DomainNotAvailable(Conflict):
    """The domain is verified by somebody else."""


class DomainHasAgents(Conflict):
    """The domain still has agents."""


class DomainUnproven(Conflict):
    """The domain's TXT record was not seen."""


class NotReplayable(Conflict):
    """The delivery is still under way."""


class IdempotencyMismatch(Conflict):
    """The idempotency key was used for another request."""


class LeaseLost(Conflict):
    """The receipt's lease is over."""


class NotPendingApproval(Conflict):
    """The message does not wait for a decision."""


class Outdated(Conflict):
    """The draft was changed since it was looked at."""


class NotFailed(Conflict):
    """The message has not failed."""


class NotUnconfirmed(Conflict):
    """The message is not unconfirmed."""


class FileExists(Conflict):
    """There is a file of this name already."""


class TargetNotEmpty(Conflict):
    """The database to copy into has rows already."""


class NotCopyable(Conflict):
    """The database to copy into cannot hold a row."""


class CopyDiffers(Conflict):
    """What arrived is not what was sent."""
