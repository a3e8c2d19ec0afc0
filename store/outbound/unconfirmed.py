"""Sends that nobody knows the end of, and those that failed: settled by a provider, or by their owner."""

from datetime import datetime
from typing import Literal

from sqlalchemy import and_, select, update

from store.errors import NotFailed, NotUnconfirmed
from store.mail.conversations import normalise_message_id
from store.outbound.attempts import settle_attempt, write_beside
from store.outbound.outbound import get_outbound_message, get_outbound_message_for_user
from store.outbound.sending import OnSent, finish_failed, finish_sent, tell_decision
from store.records.outbound import OutboundMessage, OutboundStatus
from store.schema.inbound import SENDING, messages
from store.schema.outbound import send_attempts
from store.transaction import Tx
from store.wake import SENDING as SENDING_TOPIC


def sweep_unconfirmed(tx: Tx, *, limit: int, now: datetime) -> list[str]:
    """Messages whose sender died or lost the answer, now ``unconfirmed``; their ids. Several may sweep at once.

    The attempts stay unsettled: a sender that is only late may still say that a hold is to wait as before.
    """
    over = select(messages.c.id).where(SENDING, messages.c.send_until <= now).order_by(messages.c.send_until)
    found = over.limit(limit).with_for_update(skip_locked=True).cte("over")
    # Locked, they are being sent still; said once more, it would have PostgreSQL go through all that are.
    swept = update(messages).where(messages.c.id.in_(select(found.c.id)))
    rows = tx.execute(
        swept.values(status="unconfirmed", send_until=None).returning(messages.c.id, messages.c.send_attempt)
    ).all()
    attempts = update(send_attempts).where(send_attempts.c.id.in_([row.send_attempt for row in rows]))
    tx.execute(attempts.values(outcome="unconfirmed"))
    return sorted(row.id for row in rows)


def end_leases(tx: Tx, *, now: datetime) -> None:
    """Nobody is sending any more, whatever the leases say: the next sweep finds all that was under way."""
    tx.execute(update(messages).where(SENDING, messages.c.send_until > now).values(send_until=now))


def resolve_unconfirmed(
    tx: Tx,
    user_id: str,
    message_id: str,
    verdict: Literal["sent", "send_again"],
    *,
    now: datetime,
    on_sent: OnSent | None = None,
) -> OutboundMessage:
    """What its owner found out: it went out, or it did not and is to be sent again.

    *on_sent* is done with a message that is found to be sent, before its content goes.

    Raises MessageNotFound, NotUnconfirmed.
    """
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    status: OutboundStatus = "sent" if verdict == "sent" else "queued"
    doubtful = and_(messages.c.id == message_id, messages.c.status == "unconfirmed")
    resolved = update(messages).where(doubtful).values(status=status, send_until=None)
    row = tx.execute(resolved.returning(messages.c.send_attempt)).first()
    if row is None:
        raise NotUnconfirmed
    _end_doubt(tx, row.send_attempt, now=now)
    if status == "sent":
        finish_sent(tx, message_id, now=now, on_sent=on_sent)
    else:
        _queue_now(tx, message_id, now=now)
    return get_outbound_message(tx, message_id)


def send_failed_again(tx: Tx, user_id: str, message_id: str, *, now: datetime) -> OutboundMessage:
    """Queue a message of this user's that has failed. Raises MessageNotFound, NotFailed."""
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
    """The provider tells of a mail that attempt *attempt_id* handed over, so it has it: whether that made it sent.

    Of one that its owner has put back to be sent again, too, as long as nobody has begun to. The attempt is
    settled in any case. *on_sent* is as for settle_sent.
    """
    ours = and_(messages.c.id == message_id, messages.c.send_attempt == attempt_id)
    doubtful = messages.c.status.in_(("sending", "unconfirmed", "queued"))
    known = normalise_message_id(provider_message_id)
    sent = update(messages).where(ours, doubtful).values(status="sent", send_until=None, provider_message_id=known)
    has_moved = bool(tx.execute(sent).rowcount)
    if has_moved:
        tell_decision(tx, attempt_id, now=now)
    open_still = and_(send_attempts.c.id == attempt_id, send_attempts.c.outcome.in_(("sending", "unconfirmed")))
    settled = {"outcome": "sent", "settled_at": now, "provider_message_id": provider_message_id, "error": None}
    tx.execute(update(send_attempts).where(open_still).values(settled))
    if has_moved:
        finish_sent(tx, message_id, now=now, on_sent=on_sent)
    return has_moved


def deny_sent(tx: Tx, message_id: str, attempt_id: str, error: str, *, now: datetime) -> bool:
    """The provider tells that what attempt *attempt_id* handed over goes to nobody: whether a doubt has ended by that.

    The message has ``failed`` then. One that is ``sent`` stays so: what became of it is told as a bounce is.
    """
    doubtful = and_(
        messages.c.id == message_id, messages.c.send_attempt == attempt_id, messages.c.status == "unconfirmed"
    )
    if tx.execute(update(messages).where(doubtful).values(status="failed")).rowcount == 0:
        return False
    tell_decision(tx, attempt_id, now=now)
    settle_attempt(tx, attempt_id, "failed", now=now, error=error)
    write_beside(tx, message_id, error=error)
    finish_failed(tx, get_outbound_message(tx, message_id), error, now=now)
    return True


def _end_doubt(tx: Tx, attempt_id: str | None, *, now: datetime) -> None:
    """Whatever its sender says from now on, a hold does not come back by this attempt."""
    tell_decision(tx, attempt_id, now=now)
    unsettled = and_(send_attempts.c.id == attempt_id, send_attempts.c.settled_at.is_(None))
    tx.execute(update(send_attempts).where(unsettled).values(settled_at=now))


def _queue_now(tx: Tx, message_id: str, *, now: datetime) -> None:
    tx.execute(update(messages).where(messages.c.id == message_id).values(visible_at=now))
    tx.wake(SENDING_TOPIC)
