"""Holds: outbound messages that wait for a reviewer's decision (docs/contract.md §6, §8).

Every decision is one compare-and-set, so exactly one of several reviewers, links and workers decides.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, TextClause, and_, case, func, or_, select, update

from store.directory.sending_pause import read_pause
from store.errors import InvalidValue, NotPendingApproval, Outdated
from store.mail.outbound_events import enqueue_outbound_event
from store.names import is_text
from store.outbound.edit import PendingApprovalEdit, apply
from store.outbound.outbound import (
    get_outbound_message,
    get_outbound_message_for_user,
    read_draft,
    rewrite_draft,
    scrub,
)
from store.outbound.rows import summaries, summary_of
from store.records.mail import Page
from store.records.outbound import ExpiredHold, OutboundMessage, OutboundStatus, OutboundSummary, Version, WireBytes
from store.schema.inbound import HELD, agents, messages
from store.schema.outbound import outbound
from store.transaction import Tx

MAX_PAGE: Final = 200
MAX_REASON: Final = 1000
_CAPPED: Final = func.coalesce(outbound.c.hold_reason, "owner") != "owner"
_ACTION: Final = case((_CAPPED, "reject"), else_=agents.c.hitl_expiration_action)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def list_pending_outbound_for_user(
    tx: Tx, user_id: str, *, limit: int, cursor: str | None, now: datetime
) -> Page[OutboundSummary]:
    """Messages pending this user's approval, soonest expiring first. Raises InvalidValue for a foreign cursor."""
    mine = and_(agents.c.user_id == user_id, HELD, messages.c.expires_at > now)
    soonest = (messages.c.hold_expires_at, messages.c.id)
    count = max(1, min(limit, MAX_PAGE))
    # The page is chosen by the index alone, so that only its own rows are read.
    chosen = select(messages.c.id).join(agents, agents.c.address == messages.c.agent).where(mine, _behind(cursor))
    ids = chosen.order_by(*soonest).limit(count + 1).subquery()
    rows = tx.execute(summaries().join(ids, ids.c.id == messages.c.id).order_by(*soonest)).all()
    items = [summary_of(row) for row in rows[:count]]
    return Page(items, _cursor(items[-1]) if len(rows) > count else None)


def list_expired_pending(tx: Tx, *, limit: int, now: datetime) -> list[ExpiredHold]:
    """Expired holds with the expiry action of their agents' owners, longest expired first.

    While sending is paused, only holds to be rejected: the others wait and do not delay a rejection.
    """
    columns = (messages.c.id.label("message_id"), messages.c.agent, messages.c.hold_expires_at)
    # Limited by the index before the join; PostgreSQL would join and sort all expired holds.
    over = select(*columns).where(HELD, messages.c.hold_expires_at <= now)
    if read_pause(tx) is not None:
        over = over.join_from(messages, agents).join(outbound).where(_ACTION == "reject")
    first = over.order_by(messages.c.hold_expires_at).limit(limit).subquery()
    query = select(first, agents.c.user_id, _ACTION.label("action")).join(agents, agents.c.address == first.c.agent)
    query = query.join(outbound, outbound.c.message_id == first.c.message_id)
    rows = tx.execute(query.order_by(first.c.hold_expires_at))
    return [ExpiredHold(**row._mapping) for row in rows]


def reject_pending(
    tx: Tx, user_id: str, message_id: str, *, reason: str = "", seen: Version | None = None, now: datetime
) -> OutboundMessage:
    """Reject a pending message of this user: it is not sent, and its content is removed.

    *seen*: reject only this version. Raises MessageNotFound, NotPendingApproval, Outdated, InvalidValue for a reason
    that is too long or not printable.
    """
    check_reason(reason)
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    _end(tx, message_id, HELD, "rejected", seen=seen, now=now)
    decided = {"reviewed_by": user_id, "reviewed_at": now, "reason": reason or None}
    tx.execute(update(outbound).where(outbound.c.message_id == message_id).values(decided))
    message = get_outbound_message(tx, message_id)
    details = {"reviewed_by": user_id, "reason": reason or None}
    enqueue_outbound_event(tx, message.agent, "email.rejected", message_id, now=now, details=details)
    return message


def expire_reject(tx: Tx, message_id: str, *, now: datetime) -> OutboundMessage:
    """Reject a hold that has expired without a decision. Raises MessageNotFound, NotPendingApproval."""
    get_outbound_message(tx, message_id)
    _end(tx, message_id, and_(HELD, messages.c.hold_expires_at <= now), "expired_rejected", now=now)
    message = get_outbound_message(tx, message_id)
    enqueue_outbound_event(tx, message.agent, "email.expired", message_id, now=now, details={"action": "reject"})
    return message


def amend_pending(
    tx: Tx,
    user_id: str,
    message_id: str,
    edit: PendingApprovalEdit,
    *,
    seen: Version | None = None,
    wire: WireBytes | None = None,
    now: datetime,
) -> OutboundMessage:
    """Edit a pending message of this user without a decision; *wire* is the bytes composed from the edited draft.

    An edit without effect keeps the revision. Raises MessageNotFound, NotPendingApproval, Outdated, InvalidValue.
    """
    get_outbound_message_for_user(tx, user_id, message_id, now=now)
    _lock_pending(tx, message_id)
    message = get_outbound_message(tx, message_id)
    require_seen(message, seen)
    draft, has_changed = apply(edit, read_draft(tx, message))
    if has_changed:
        rewrite_draft(tx, message_id, draft, wire=wire, now=now)
    return get_outbound_message(tx, message_id)


def require_seen(message: OutboundMessage, seen: Version | None) -> None:
    """Return if *message* is still the version that the reviewer saw. Raises Outdated."""
    if seen is not None and not seen.matches(message):
        raise Outdated


def check_reason(reason: str) -> None:
    """Return if *reason* is a printable text of at most MAX_REASON characters, lines allowed. Raises InvalidValue."""
    if not is_text(reason.replace("\r\n", " ").replace("\n", " "), most=MAX_REASON):
        raise InvalidValue(f"reason: at most {MAX_REASON} printable characters")


def _lock_pending(tx: Tx, message_id: str) -> None:
    """Lock a pending message's row against concurrent decisions. Raises NotPendingApproval."""
    held = update(messages).where(messages.c.id == message_id, messages.c.direction == "outbound", HELD)
    if tx.execute(held.values(status="pending_approval")).rowcount == 0:
        raise NotPendingApproval


def _end(
    tx: Tx,
    message_id: str,
    condition: ColumnElement[bool] | TextClause,
    status: OutboundStatus,
    *,
    seen: Version | None = None,
    now: datetime,
) -> None:
    ended = update(messages).where(messages.c.id == message_id, messages.c.direction == "outbound", condition)
    if tx.execute(ended.values(status=status)).rowcount == 0:
        raise NotPendingApproval
    require_seen(get_outbound_message(tx, message_id), seen)  # the update has locked the row: no edit can follow
    scrub(tx, message_id, now=now)


def _cursor(last: OutboundSummary) -> str:
    assert last.hold_expires_at is not None, "a pending message has an expiry"
    until = last.hold_expires_at.isoformat().replace("+00:00", "Z")  # a plus in a query string is read as a blank
    return f"{until}~{last.id}"


def _behind(cursor: str | None) -> Any:
    """The condition of rows after the row that *cursor* names."""
    if cursor is None:
        return (
            messages.c.hold_expires_at > _LONG_AGO
        )  # a bound, so that SQLite takes this index and no other of the agent
    written, _, message_id = cursor.partition("~")
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not is_text(message_id, most=36):
        raise InvalidValue("not a cursor of this list")
    # Not an OR at the top level: the index scan must begin at the cursor's row.
    return and_(messages.c.hold_expires_at >= at, or_(messages.c.hold_expires_at > at, messages.c.id > message_id))
