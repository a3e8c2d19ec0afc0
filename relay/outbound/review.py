"""A person agrees, or not, or changes something first: each decision once, about the very bytes that were shown."""

from dataclasses import dataclass

from relay.outbound.office import Office
from store.pending_approval_edit import NO_EDIT, PendingApprovalEdit
from store.records_outbound import OutboundMessage


@dataclass(frozen=True, slots=True)
class Version:
    """What somebody looked at: a draft counts its edits, and its bytes have a digest."""

    revision: int
    digest: str | None  # hex SHA-256 of the wire bytes


async def approve(
    user_id: str,
    message_id: str,
    *,
    edit: PendingApprovalEdit = NO_EDIT,
    reason: str | None = None,
    seen: Version | None = None,
    by: Office,
) -> OutboundMessage:
    """Approve a held mail of this user's, changed by *edit*, and send it.

    It is ``sent`` when this returns, or ``unconfirmed`` where the provider may have it.

    Raises MessageNotFound, NotPendingApproval for everybody but the first, Outdated when it is not *seen* any
    more, BadDraft for an edit that no mail could be, SendingPaused; and CourierRefused or CourierBusy, after
    which it is pending as before.
    """
    raise NotImplementedError


async def reject(
    user_id: str, message_id: str, *, reason: str | None = None, seen: Version | None = None, by: Office
) -> OutboundMessage:
    """Say no. Raises MessageNotFound, NotPendingApproval, Outdated, InvalidValue for a reason that is too long."""
    raise NotImplementedError


async def amend(
    user_id: str, message_id: str, edit: PendingApprovalEdit, *, seen: Version | None = None, by: Office
) -> OutboundMessage:
    """Change a held mail without deciding: a new revision, which older links do not lead to.

    One that changes nothing stays the revision it was. Raises as approve does.
    """
    raise NotImplementedError
