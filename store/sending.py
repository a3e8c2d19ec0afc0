"""Sending as a state machine: claim, send outside of any transaction, settle (house, decision 5).

A claim is a compare-and-set to ``sending`` under an attempt id with a lease. Settling names the
attempt, so a worker that comes back late changes nothing of a newer one. A worker that dies between
the provider's answer and the settling leaves ``sending`` behind; when the lease is over the sweep makes
it ``unconfirmed``, which nobody sends again but by its owner's word.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, TextClause, and_, func, insert, select, update

from store.conversations import normalise_message_id
from store.errors import NotPendingApproval, NotUnconfirmed
from store.ids import new_send_id
from store.lifecycle import FINAL, sources
from store.outbound import (
    get_outbound_message,
    get_outbound_message_for_user,
    read_draft,
    resolve_outbound_owner,
    rewrite_draft,
    scrub,
)
from store.pending_approval_edit import NO_EDIT, PendingApprovalEdit, apply
from store.records_outbound import Origin, OutboundMessage, OutboundStatus, Outcome, Outgoing, SendAttempt
from store.schema import HELD, SENDING, messages
from store.schema_outbound import outbound, send_attempts
from store.transaction import Tx
from store.usage import note_usage

LEASE: Final = timedelta(minutes=5)  # longer than any send may take
# When an expired hold's send fails, it waits this much longer: for the provider, or for a person after all.
EXPIRY_RETRIES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
MAX_ERROR: Final = 500


def claim_approved(
    tx: Tx, user_id: str, message_id: str, *, edit: PendingApprovalEdit = NO_EDIT, lease: timedelta, now: datetime
) -> Outgoing:
    """Take a held message of this user for sending, with what the reviewer changes in it.

    Raises MessageNotFound, NotPendingApproval, InvalidValue for an edit that no mail could be.
    """
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    attempt = _claim(tx, message_id, HELD, origin="approval", lease=lease, now=now)
    message = get_outbound_message(tx, message_id)
    draft, has_changed = apply(edit, read_draft(tx, message))
    if has_changed:
        rewrite_draft(tx, message_id, draft)
    _write(tx, message_id, reviewed_by=user_id, reviewed_at=now)
    message = get_outbound_message(tx, message_id)
    return Outgoing(attempt=attempt, origin="approval", message=message, draft=draft)


def claim_expired(tx: Tx, message_id: str, *, lease: timedelta, now: datetime) -> Outgoing:
    """Take a hold whose time is over for sending. Raises MessageNotFound, NotPendingApproval."""
    get_outbound_message(tx, message_id)
    over = and_(HELD, messages.c.hold_expires_at <= now)
    attempt = _claim(tx, message_id, over, origin="expiry", lease=lease, now=now)
    message = get_outbound_message(tx, message_id)
    return Outgoing(attempt=attempt, origin="expiry", message=message, draft=read_draft(tx, message))


def settle_sent(tx: Tx, outgoing: Outgoing, provider_message_id: str, *, now: datetime) -> OutboundMessage:
    """The provider has it. True even if the lease was over meanwhile, unless its owner resolved it otherwise."""
    status: OutboundStatus = "expired_approved" if outgoing.origin == "expiry" else "sent"
    known = normalise_message_id(provider_message_id)
    # Else from where its owner has put it to be sent again: no newer attempt has it, and none needs to.
    if any(_move(tx, outgoing, to, provider_message_id=known) for to in (status, "sent")):
        _write(tx, outgoing.message.id, error=None)
        scrub(tx, outgoing.message.id, now=now)
        _count_sent(tx, outgoing.message, now=now)
    _settle_attempt(tx, outgoing, "sent", now=now, provider_message_id=provider_message_id)
    return get_outbound_message(tx, outgoing.message.id)


def settle_failed(tx: Tx, outgoing: Outgoing, error: str, *, now: datetime) -> OutboundMessage:
    """It certainly did not go out: it waits for a person as before, with *error* kept.

    A hold whose time is over waits a little longer each time, and after the last has ``failed``, its
    content kept for its owner.
    """
    _settle_attempt(tx, outgoing, "failed", now=now, error=error)
    status, until = _after_failure(tx, outgoing, now=now)
    if _move(tx, outgoing, status, hold_expires_at=until):
        _write(tx, outgoing.message.id, error=error[:MAX_ERROR], reviewed_by=None, reviewed_at=None)
    return get_outbound_message(tx, outgoing.message.id)


def settle_unconfirmed(tx: Tx, outgoing: Outgoing, error: str, *, now: datetime) -> OutboundMessage:
    """The answer was lost: it may have gone out, and is not sent again by itself."""
    _settle_attempt(tx, outgoing, "unconfirmed", now=now, error=error)
    if _move(tx, outgoing, "unconfirmed"):
        _write(tx, outgoing.message.id, error=error[:MAX_ERROR])
    return get_outbound_message(tx, outgoing.message.id)


def confirm_sent(
    tx: Tx,
    message_id: str,
    attempt_id: str,
    provider_message_id: str,
    *,
    now: datetime,
    also: Callable[[Tx, OutboundMessage], None] | None = None,
) -> bool:
    """The provider's own word that an attempt went out, of which no answer came or none yet; whether that was news.

    *also* is called before the content is taken out. Raises MessageNotFound.
    """
    message = get_outbound_message(tx, message_id)
    open_still = messages.c.status.in_(("sending", "unconfirmed"))
    ours = and_(messages.c.id == message_id, messages.c.send_attempt == attempt_id, open_still)
    values = {"status": "sent", "send_until": None, "provider_message_id": normalise_message_id(provider_message_id)}
    if tx.execute(update(messages).where(ours).values(values)).rowcount == 0:
        return False
    told = {"outcome": "sent", "settled_at": now, "provider_message_id": provider_message_id}
    tx.execute(update(send_attempts).where(send_attempts.c.id == attempt_id).values(told))
    _write(tx, message_id, error=None)
    if also is not None:
        also(tx, get_outbound_message(tx, message_id))
    scrub(tx, message_id, now=now)
    _count_sent(tx, message, now=now)
    return True


def sweep_unconfirmed(tx: Tx, *, limit: int, now: datetime) -> list[str]:
    """Messages whose sender died or lost the answer, now ``unconfirmed``; their ids. Several may sweep at once."""
    over = select(messages.c.id).where(SENDING, messages.c.send_until <= now).order_by(messages.c.send_until)
    found = over.limit(limit).with_for_update(skip_locked=True).cte("over")
    swept = update(messages).where(messages.c.id.in_(select(found.c.id)), SENDING)
    rows = tx.execute(
        swept.values(status="unconfirmed", send_until=None).returning(messages.c.id, messages.c.send_attempt)
    ).all()
    attempts = update(send_attempts).where(send_attempts.c.id.in_([row.send_attempt for row in rows]))
    tx.execute(attempts.values(outcome="unconfirmed"))
    return sorted(row.id for row in rows)


def resolve_unconfirmed(
    tx: Tx, user_id: str, message_id: str, verdict: Literal["sent", "send_again"], *, now: datetime
) -> OutboundMessage:
    """What its owner found out: it went out, or it did not and is to be sent again.

    Raises MessageNotFound, NotUnconfirmed.
    """
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    status: OutboundStatus = "sent" if verdict == "sent" else "queued"
    doubtful = and_(messages.c.id == message_id, messages.c.status == "unconfirmed")
    if tx.execute(update(messages).where(doubtful).values(status=status)).rowcount == 0:
        raise NotUnconfirmed
    if status in FINAL:
        scrub(tx, message_id, now=now)
        _count_sent(tx, get_outbound_message(tx, message_id), now=now)
    return get_outbound_message(tx, message_id)


def list_send_attempts(tx: Tx, message_id: str) -> list[SendAttempt]:
    """Every try to send a message, oldest first."""
    columns = [column for column in send_attempts.c if column.name != "message_id"]
    query = select(*columns).where(send_attempts.c.message_id == message_id)
    return [SendAttempt(**row._mapping) for row in tx.execute(query.order_by(send_attempts.c.id))]


def _claim(
    tx: Tx,
    message_id: str,
    condition: ColumnElement[bool] | TextClause,
    *,
    origin: Origin,
    lease: timedelta,
    now: datetime,
) -> str:
    """The id of the one attempt that has the message from now on. Raises NotPendingApproval for who comes second."""
    attempt = new_send_id()
    taken = update(messages).where(messages.c.id == message_id, messages.c.direction == "outbound", condition)
    values = {"status": "sending", "send_attempt": attempt, "send_until": now + lease}
    if tx.execute(taken.values(values)).rowcount == 0:
        raise NotPendingApproval
    row = {"id": attempt, "message_id": message_id, "origin": origin, "outcome": "sending", "began_at": now}
    tx.execute(insert(send_attempts), row)
    return attempt


def _move(tx: Tx, outgoing: Outgoing, to: OutboundStatus, **values: Any) -> bool:
    """Whether this attempt was still the message's last, and the message came to *to* by it."""
    ours = and_(messages.c.id == outgoing.message.id, messages.c.send_attempt == outgoing.attempt)
    allowed = messages.c.status.in_(sorted(sources(to)))
    moved = update(messages).where(ours, allowed).values(status=to, send_until=None, **values)
    return bool(tx.execute(moved).rowcount)


def _after_failure(tx: Tx, outgoing: Outgoing, *, now: datetime) -> tuple[OutboundStatus, datetime | None]:
    held_until = outgoing.message.hold_expires_at
    if outgoing.origin != "expiry":
        return "pending_approval", held_until
    failed = and_(send_attempts.c.message_id == outgoing.message.id, send_attempts.c.outcome == "failed")
    count = select(func.count()).select_from(send_attempts).where(failed, send_attempts.c.origin == "expiry")
    tries = tx.execute(count).scalar_one()
    if tries > len(EXPIRY_RETRIES):
        return "failed", held_until
    return "pending_approval", now + EXPIRY_RETRIES[tries - 1]


def _settle_attempt(tx: Tx, outgoing: Outgoing, outcome: Outcome, *, now: datetime, **values: Any) -> None:
    if "error" in values:
        values["error"] = values["error"][:MAX_ERROR]
    settled = update(send_attempts).where(send_attempts.c.id == outgoing.attempt)
    tx.execute(settled.values(outcome=outcome, settled_at=now, **values))


def _write(tx: Tx, message_id: str, **values: Any) -> None:
    tx.execute(update(outbound).where(outbound.c.message_id == message_id).values(**values))


def _count_sent(tx: Tx, message: OutboundMessage, *, now: datetime) -> None:
    owner = resolve_outbound_owner(tx, message.id)
    note_usage(
        tx, user_id=owner, kind="sent", agent=message.agent, message_id=message.id, size=message.raw_size, at=now
    )
