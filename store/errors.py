"""Store errors: what a query raises when it cannot do what was asked.

::

    StoreError
    ├── Unavailable          the database cannot answer now; a retry can help
    ├── Unusable             a person must act before the database can be used
    │   └── MovedAway            `mailseal migrate-to` copied the store elsewhere
    ├── NotFound             the row does not exist or belongs to another user
    │   ├── UserNotFound
    │   ├── KeyNotFound
    │   ├── DomainNotFound
    │   ├── AgentNotFound
    │   ├── MessageNotFound
    │   ├── ConversationNotFound
    │   ├── DeliveryNotFound
    │   └── SuppressionNotFound
    ├── SendUnconfirmed      raised by a caller's send: the provider may have accepted the message
    ├── SendingPaused        the operator has paused all sending
    └── Conflict             the rows are not in the state that the query needs
        ├── InvalidValue         a value the schema does not allow
        ├── EmailTaken           another user, with another OIDC subject, has the email
        ├── AddressTaken         an agent with this address exists
        ├── DomainNotAvailable   verified by another user, or the shared domain
        ├── DomainHasAgents      the user still has agents on it
        ├── DomainUnproven       the TXT record was not found
        ├── NotReplayable        the delivery is pending
        ├── IdempotencyMismatch  the key was used for another request
        ├── LeaseLost            the receipt's lease has ended, or the message is gone
        ├── NotPendingApproval   already decided, expired, or never held
        ├── Outdated             the draft was edited after it was read
        ├── NotFailed            the message has another status, so it is not retried
        ├── NotUnconfirmed       the message has another status, so it is not resolved
        ├── FileExists           a backup overwrites no file unless told to
        ├── TargetNotEmpty       a store is copied only into an empty database
        ├── NotCopyable          the target database cannot store a row
        └── CopyDiffers          the copy is not equal to its source

The first line of each docstring is the default message. Callers never see an exception of SQLAlchemy or a driver.
tests/project/test_error_trees.py compares the tree with the classes.
"""


class StoreError(Exception):
    """Base class of all store errors."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Unavailable(StoreError):
    """The database cannot answer now; try again."""


class Unusable(StoreError):
    """The database cannot be used as it is: an operator must act."""


class MovedAway(Unusable):
    """The store was moved to another database."""


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
    """The address is not on the suppression list."""


class SendUnconfirmed(StoreError):
    """The provider may have accepted the message: its answer was lost.

    Raised by the send function that a caller passes to store/outbound/handover.py, and passed on to the caller.
    """


class SendingPaused(StoreError):
    """All sending is paused; the operator starts it again with `mailseal resume`."""


class Conflict(StoreError):
    """The rows are not in the state that this operation needs."""


class InvalidValue(Conflict):
    """The value is not allowed."""


class EmailTaken(Conflict):
    """Another user has this email."""


class AddressTaken(Conflict):
    """An agent with this address exists already."""


class DomainNotAvailable(Conflict):
    """Another user has verified this domain."""


class DomainHasAgents(Conflict):
    """The domain still has agents; delete them first."""


class DomainUnproven(Conflict):
    """The domain's TXT record was not found; publish it and verify again."""


class NotReplayable(Conflict):
    """The delivery is pending; only a delivered or dead one can be replayed."""


class IdempotencyMismatch(Conflict):
    """The idempotency key was used for another request; use a new key."""


class LeaseLost(Conflict):
    """The receipt's lease has ended; lease again."""


class NotPendingApproval(Conflict):
    """The message is not pending approval."""


class Outdated(Conflict):
    """The draft was edited after it was read; read it again."""


class NotFailed(Conflict):
    """The message has not failed, so it cannot be retried."""


class NotUnconfirmed(Conflict):
    """The message is not unconfirmed, so it cannot be resolved."""


class FileExists(Conflict):
    """The file exists already."""


class TargetNotEmpty(Conflict):
    """The target database has rows already; use an empty one."""


class NotCopyable(Conflict):
    """The target database cannot store a row."""


class CopyDiffers(Conflict):
    """The copy is not equal to its source."""


def cause_of(error: BaseException) -> str:
    """The first line of the driver's own words, for the operator.

    Neither libpq nor SQLite quotes a password in its errors. Parameters of statements are left out.
    """
    driven = getattr(error, "orig", None) or error
    lines = str(driven).strip().splitlines()
    return lines[0].strip() if lines else type(driven).__name__


def words_of(error: BaseException) -> str:
    """The first line of *error*, and behind it the words of its cause, such as the driver's; for the log only."""
    own, cause = cause_of(error), error.__cause__
    if cause is None or (getattr(cause, "strerror", None) or cause_of(cause)) in own:
        return own
    return f"{own}: {cause_of(cause)}"
