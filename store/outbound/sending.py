"""Sending as a state machine: claim, hand over outside of any transaction, settle.

A claim is a compare-and-set to ``sending`` under an attempt id with a lease. Settling names the attempt, so a late
worker changes nothing of a newer attempt. A worker that dies between the provider's answer and the settling leaves
``sending``; after the lease the sweep makes that ``unconfirmed``, and only the owner can have it sent again
(docs/decisions/0005-send-is-a-state-machine.md).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select

from store.directory.sending_pause import read_pause, require_sending
from store.mail.conversations import normalise_message_id
from store.mail.outbound_events import enqueue_outbound_event
from store.mail.usage import record_usage
from store.outbound.attempts import (
    MAX_ERROR,
    TAKE_HELD,
    TAKE_OVER,
    TAKE_QUEUED,
    count_tries,
    move,
    settle_attempt,
    take,
    write_beside,
)
from store.outbound.edit import NO_EDIT, PendingApprovalEdit, apply
from store.outbound.holds import check_reason, require_seen
from store.outbound.outbound import (
    get_outbound_message,
    get_outbound_message_for_user,
    read_draft,
    resolve_outbound_owner,
    rewrite_draft,
    scrub,
)
from store.outbound.send_limits import record_recipients
from store.records.outbound import (
    Draft,
    OutboundMessage,
    OutboundStatus,
    Outgoing,
    SendAttempt,
    Version,
    WireBytes,
)
from store.records.people import UsageKind
from store.schema.inbound import TO_SEND, messages
from store.schema.outbound import send_attempts
from store.transaction import Tx
from store.wake import SENDING as SENDING_TOPIC

OnSent = Callable[[Tx, OutboundMessage], None]
"""Further work in the transaction that makes a message sent."""

LEASE: Final = timedelta(minutes=5)  # longer than any send may take
# How much longer an expired hold is pending after each failed send; a reviewer can still decide meanwhile.
EXPIRY_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
_DUE: Final = (
    select(messages.c.id)
    .where(TO_SEND, messages.c.visible_at <= bindparam("now"))
    .order_by(messages.c.visible_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_UNSETTLED: Final = select(send_attempts.c.origin).where(
    send_attempts.c.id == bindparam("attempt"), send_attempts.c.settled_at.is_(None)
)
# The outcome of the attempt is not known yet.
_OPEN: Final[frozenset[OutboundStatus]] = frozenset({"sending", "unconfirmed"})


def claim_approved(
    tx: Tx,
    user_id: str,
    message_id: str,
    *,
    edit: PendingApprovalEdit = NO_EDIT,
    seen: Version | None = None,
    wire: WireBytes | None = None,
    reason: str | None = None,
    lease: timedelta,
    now: datetime,
) -> Outgoing:
    """Claim a pending message of this user for sending, changed by the reviewer's *edit*.

    *seen*: claim only this version. *wire*: the bytes composed from the edited draft.

    Raises MessageNotFound, NotPendingApproval, Outdated, SendingPaused, InvalidValue for an edit that cannot be a
    mail.
    """
    check_reason(reason or "")
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    require_sending(tx)
    attempt = take(tx, message_id, TAKE_HELD, origin="approval", until=now + lease, now=now)
    message = get_outbound_message(tx, message_id)
    require_seen(message, seen)
    draft, has_changed = apply(edit, read_draft(tx, message))
    if has_changed:
        rewrite_draft(tx, message_id, draft, wire=wire, now=now)
        message = get_outbound_message(tx, message_id)
    write_beside(tx, message_id, reviewed_by=user_id, reviewed_at=now, reason=reason)
    message = replace(message, reviewed_by=user_id, reviewed_at=now, reason=reason)
    return Outgoing(attempt=attempt, origin="approval", message=message, draft=draft, until=now + lease)


def claim_expired(tx: Tx, message_id: str, *, lease: timedelta, now: datetime) -> Outgoing:
    """Claim an expired hold for sending. Raises MessageNotFound, NotPendingApproval, SendingPaused."""
    get_outbound_message(tx, message_id)
    require_sending(tx)
    attempt = take(tx, message_id, TAKE_OVER, origin="expiry", until=now + lease, now=now, before=now)
    message = get_outbound_message(tx, message_id)
    draft = _draft_to_compose(tx, message)
    return Outgoing(attempt=attempt, origin="expiry", message=message, draft=draft, until=now + lease)


def claim_queued(tx: Tx, *, limit: int, lease: timedelta, now: datetime) -> list[Outgoing]:
    """Claim up to *limit* due messages of the queue, longest due first; none while sending is paused."""
    if read_pause(tx) is not None:
        return []
    taken = []
    for message_id in tx.execute(_DUE, {"now": now, "most": limit}).scalars().all():
        attempt = take(tx, message_id, TAKE_QUEUED, origin="queue", until=now + lease, now=now)
        message = get_outbound_message(tx, message_id)
        tries = count_tries(tx, message_id, "queue")
        taken.append(
            Outgoing(
                attempt=attempt,
                origin="queue",
                message=message,
                draft=_draft_to_compose(tx, message),
                until=now + lease,
                tries=tries,
            )
        )
    return taken


def next_to_send_at(tx: Tx) -> datetime | None:
    """When the next queued message is due; None where none is queued."""
    return tx.execute(select(func.min(messages.c.visible_at)).where(TO_SEND)).scalar()  # type: ignore[no-any-return]


def settle_sent(
    tx: Tx, outgoing: Outgoing, provider_message_id: str, *, now: datetime, on_sent: OnSent | None = None
) -> OutboundMessage:
    """Settle a message that the provider accepted, also after the end of the lease.

    *on_sent* runs before the content is removed, if this made the message sent. An owner's resolution made meanwhile
    stays.
    """
    status: OutboundStatus = "expired_approved" if outgoing.origin == "expiry" else "sent"
    known = normalise_message_id(provider_message_id)
    # "sent" too from "queued": its owner had it sent again, and no newer attempt has claimed it.
    if any(move(tx, outgoing, to, provider_message_id=known) for to in (status, "sent")):
        write_beside(tx, outgoing.message.id, error=None)
        message = get_outbound_message(tx, outgoing.message.id)
        if outgoing.origin != "queue":  # a queued message had no decision to report
            report_decision(tx, message, outgoing.attempt, now=now)
        finish_sent(tx, message, now=now, on_sent=on_sent)
    settle_attempt(tx, outgoing.attempt, "sent", now=now, provider_message_id=provider_message_id)
    return get_outbound_message(tx, outgoing.message.id)


def settle_failed(tx: Tx, outgoing: Outgoing, error: str, *, now: datetime) -> OutboundMessage:
    """Settle a message that was certainly not sent: ``failed`` from the queue, pending as before from an approval.

    An expired hold is pending a little longer after each attempt; after the last it has ``failed``, and its content
    is kept for the owner.
    """
    settle_attempt(tx, outgoing.attempt, "failed", now=now, error=error)
    status, until = _after_failure(tx, outgoing, now=now)
    if move(tx, outgoing, status, hold_expires_at=until):
        undecided = {"reviewed_by": None, "reviewed_at": None, "reason": None} if status == "pending_approval" else {}
        write_beside(tx, outgoing.message.id, error=error, **undecided)
        if status == "failed":
            finish_failed(tx, outgoing.message, error, now=now)
    return get_outbound_message(tx, outgoing.message.id)


def settle_deferred(tx: Tx, outgoing: Outgoing, error: str, *, until: datetime, now: datetime) -> OutboundMessage:
    """Queue a message again, due at *until*: the provider is busy and certainly has not accepted it."""
    settle_attempt(tx, outgoing.attempt, "failed", now=now, error=error)
    if move(tx, outgoing, "queued", among=_OPEN, visible_at=until):
        write_beside(tx, outgoing.message.id, error=error)
        tx.wake(SENDING_TOPIC)
    return get_outbound_message(tx, outgoing.message.id)


def settle_unconfirmed(tx: Tx, outgoing: Outgoing, error: str, *, now: datetime) -> OutboundMessage:
    """Settle a message whose answer was lost: it may have been sent, and is not retried automatically."""
    if move(tx, outgoing, "unconfirmed"):
        write_beside(tx, outgoing.message.id, error=error)
        report_decision(tx, outgoing.message, outgoing.attempt, now=now)
    settle_attempt(tx, outgoing.attempt, "unconfirmed", now=now, error=error)
    return get_outbound_message(tx, outgoing.message.id)


def list_send_attempts(tx: Tx, message_id: str) -> list[SendAttempt]:
    """All attempts to send a message, oldest first."""
    columns = [column for column in send_attempts.c if column.name != "message_id"]
    query = select(*columns).where(send_attempts.c.message_id == message_id)
    return [SendAttempt(**row._mapping) for row in tx.execute(query.order_by(send_attempts.c.id))]


def _draft_to_compose(tx: Tx, message: OutboundMessage) -> Draft | None:
    """The draft of a message not composed yet; None, and no attachment is read, for a composed one."""
    return read_draft(tx, message) if message.digest is None else None


def _after_failure(tx: Tx, outgoing: Outgoing, *, now: datetime) -> tuple[OutboundStatus, datetime | None]:
    held_until = outgoing.message.hold_expires_at
    if outgoing.origin == "queue":
        return "failed", held_until
    if outgoing.origin == "approval":
        return "pending_approval", held_until
    tries = count_tries(tx, outgoing.message.id, "expiry")
    if tries > len(EXPIRY_RETRIES):
        return "failed", held_until
    return "pending_approval", now + EXPIRY_RETRIES[tries - 1]


def finish_sent(tx: Tx, message: OutboundMessage, *, now: datetime, on_sent: OnSent | None = None) -> None:
    """Finish a message that is sent: count it, remove its content, enqueue ``email.sent``."""
    if on_sent is not None:
        on_sent(tx, message)
    record_recipients(tx, message.agent, message.all_recipients, now=now)
    scrub(tx, message.id, now=now)
    _count(tx, "sent", message, now=now)
    enqueue_outbound_event(tx, message.agent, "email.sent", message.id, now=now)


def report_decision(tx: Tx, message: OutboundMessage, attempt_id: str | None, *, now: datetime) -> None:
    """Enqueue ``email.approved`` or ``email.expired`` for a held message that will not return to pending.

    Only for an attempt not settled yet, so that the event is enqueued once; the caller settles it.
    """
    row = tx.execute(_UNSETTLED, {"attempt": attempt_id}).first()
    if row is None or row.origin == "queue":
        return
    if row.origin == "approval":
        details = {"reviewed_by": message.reviewed_by, "reason": message.reason}
        enqueue_outbound_event(tx, message.agent, "email.approved", message.id, now=now, details=details)
    else:
        enqueue_outbound_event(tx, message.agent, "email.expired", message.id, now=now, details={"action": "approve"})


def finish_failed(tx: Tx, message: OutboundMessage, error: str, *, now: datetime) -> None:
    """Finish a message that was certainly not sent: count it, enqueue ``email.failed``."""
    _count(tx, "failed", message, now=now)
    enqueue_outbound_event(tx, message.agent, "email.failed", message.id, now=now, details={"error": error[:MAX_ERROR]})


def _count(tx: Tx, kind: UsageKind, message: OutboundMessage, *, now: datetime) -> None:
    owner = resolve_outbound_owner(tx, message.id)
    record_usage(
        tx, user_id=owner, kind=kind, agent=message.agent, message_id=message.id, size=message.raw_size, at=now
    )
