"""Resolve ``unconfirmed`` and ``failed`` messages, by provider event or by the owner."""

from datetime import datetime
from typing import Literal

from sqlalchemy import and_, select, update

from store.errors import NotFailed, NotUnconfirmed
from store.mail.conversations import normalise_message_id
from store.outbound.attempts import settle_attempt, write_beside
from store.outbound.outbound import get_outbound_message, get_outbound_message_for_user
from store.outbound.sending import OnSent, finish_failed, finish_sent, report_decision
from store.records.outbound import OutboundMessage, OutboundStatus
from store.schema.inbound import SENDING, messages
from store.schema.outbound import send_attempts
from store.transaction import Tx
from store.wake import SENDING as SENDING_TOPIC


def sweep_unconfirmed(tx: Tx, *, limit: int, now: datetime) -> list[str]:
    """Make messages whose sending lease has ended ``unconfirmed``; their ids. Concurrent sweeps are safe.

    The attempts stay unsettled: a worker that is only late can still return a hold to pending.
    """
    over = select(messages.c.id).where(SENDING, messages.c.send_until <= now).order_by(messages.c.send_until)
    found = over.limit(limit).with_for_update(skip_locked=True).cte("over")
    # Locked rows still have this status; a condition on it here would have PostgreSQL scan all ``sending`` rows.
    swept = update(messages).where(messages.c.id.in_(select(found.c.id)))
    rows = tx.execute(
        swept.values(status="unconfirmed", send_until=None).returning(messages.c.id, messages.c.send_attempt)
    ).all()
    attempts = update(send_attempts).where(send_attempts.c.id.in_([row.send_attempt for row in rows]))
    tx.execute(attempts.values(outcome="unconfirmed"))
    return sorted(row.id for row in rows)


def end_leases(tx: Tx, *, now: datetime, mark: str = "") -> None:
    """End all sending leases now, when no process can be sending; the next sweep finds the interrupted sends.

    With *mark* only those of the process with this mark (store/ids.py).
    """
    leased = and_(SENDING, messages.c.send_until > now, messages.c.send_attempt.like(f"%{mark}"))
    tx.execute(update(messages).where(leased).values(send_until=now))


def doubt_queued(tx: Tx) -> int:
    """Make all queued and sending outbound messages ``unconfirmed``, after a restore: the number of them.

    They may have been sent after the backup was made. Messages that wait for approval stay: each is decided once more.
    """
    outgoing = and_(messages.c.direction == "outbound", messages.c.status.in_(("queued", "sending")))
    attempts = select(messages.c.send_attempt).where(SENDING)
    tx.execute(update(send_attempts).where(send_attempts.c.id.in_(attempts)).values(outcome="unconfirmed"))
    doubted = update(messages).where(outgoing).values(status="unconfirmed", send_until=None)
    return int(tx.execute(doubted).rowcount)


def resolve_unconfirmed(
    tx: Tx,
    user_id: str,
    message_id: str,
    verdict: Literal["sent", "send_again"],
    *,
    now: datetime,
    on_sent: OnSent | None = None,
) -> OutboundMessage:
    """Resolve an ``unconfirmed`` message of this user as sent, or queue it again.

    *on_sent* runs for a message resolved as sent, before its content is removed.

    Raises MessageNotFound, NotUnconfirmed.
    """
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    status: OutboundStatus = "sent" if verdict == "sent" else "queued"
    in_doubt = and_(messages.c.id == message_id, messages.c.status == "unconfirmed")
    resolved = update(messages).where(in_doubt).values(status=status, send_until=None)
    row = tx.execute(resolved.returning(messages.c.send_attempt)).first()
    if row is None:
        raise NotUnconfirmed
    message = get_outbound_message(tx, message_id)
    _end_attempt(tx, message, row.send_attempt, now=now)
    if status == "sent":
        finish_sent(tx, message, now=now, on_sent=on_sent)
    else:
        _queue_now(tx, message_id, now=now)
    return get_outbound_message(tx, message_id)


def send_failed_again(tx: Tx, user_id: str, message_id: str, *, now: datetime) -> OutboundMessage:
    """Queue a ``failed`` message of this user again. Raises MessageNotFound, NotFailed."""
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    failed = and_(messages.c.id == message_id, messages.c.status == "failed")
    if tx.execute(update(messages).where(failed).values(status="queued")).rowcount == 0:
        raise NotFailed
    _queue_now(tx, message_id, now=now)
    return get_outbound_message(tx, message_id)


def confirm_sent(
    tx: Tx,
    message_id: str,
    attempt_id: str,
    provider_message_id: str,
    *,
    now: datetime,
    on_sent: OnSent | None = None,
) -> bool:
    """A provider event proves that attempt *attempt_id* was accepted: whether that made the message sent.

    Also for a message that its owner queued again, until a new attempt claims it. The attempt is settled in any case.
    *on_sent* as for settle_sent.
    """
    ours = and_(messages.c.id == message_id, messages.c.send_attempt == attempt_id)
    in_doubt = messages.c.status.in_(("sending", "unconfirmed", "queued"))
    known = normalise_message_id(provider_message_id)
    sent = update(messages).where(ours, in_doubt).values(status="sent", send_until=None, provider_message_id=known)
    moved = get_outbound_message(tx, message_id) if tx.execute(sent).rowcount else None
    if moved is not None:
        report_decision(tx, moved, attempt_id, now=now)
    open_still = and_(send_attempts.c.id == attempt_id, send_attempts.c.outcome.in_(("sending", "unconfirmed")))
    settled = {"outcome": "sent", "settled_at": now, "provider_message_id": provider_message_id, "error": None}
    tx.execute(update(send_attempts).where(open_still).values(settled))
    if moved is not None:
        finish_sent(tx, moved, now=now, on_sent=on_sent)
    return moved is not None


def deny_sent(tx: Tx, message_id: str, attempt_id: str, error: str, *, now: datetime) -> bool:
    """A provider event rejects attempt *attempt_id* for all recipients: whether an ``unconfirmed`` message has failed.

    A message that is ``sent`` stays so: the rejection is recorded as feedback, as a bounce is.
    """
    in_doubt = and_(
        messages.c.id == message_id, messages.c.send_attempt == attempt_id, messages.c.status == "unconfirmed"
    )
    if tx.execute(update(messages).where(in_doubt).values(status="failed")).rowcount == 0:
        return False
    message = get_outbound_message(tx, message_id)
    report_decision(tx, message, attempt_id, now=now)
    settle_attempt(tx, attempt_id, "failed", now=now, error=error)
    write_beside(tx, message_id, error=error)
    finish_failed(tx, message, error, now=now)
    return True


def _end_attempt(tx: Tx, message: OutboundMessage, attempt_id: str | None, *, now: datetime) -> None:
    """Settle the attempt: a late worker can no longer return the hold to pending."""
    report_decision(tx, message, attempt_id, now=now)
    unsettled = and_(send_attempts.c.id == attempt_id, send_attempts.c.settled_at.is_(None))
    tx.execute(update(send_attempts).where(unsettled).values(settled_at=now))


def _queue_now(tx: Tx, message_id: str, *, now: datetime) -> None:
    tx.execute(update(messages).where(messages.c.id == message_id).values(visible_at=now))
    tx.wake(SENDING_TOPIC)
