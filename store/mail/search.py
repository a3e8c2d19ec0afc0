"""Filtered message lists and conversation lists, with bounded cost per page.

Filters have no index of their own. A page therefore scans at most SCAN_LIMIT messages along the agent's sequence
and may have fewer items than requested, or none; the list continues as long as a page has a cursor.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Subquery, and_, func, select

from store.cursors import parse_cursor
from store.expiry import unexpired
from store.mail.messages import MAX_PAGE, ReadStatus, inbound_behind, message_of
from store.records.mail import Message, Page
from store.schema.inbound import agents, messages
from store.transaction import Tx

SCAN_LIMIT: Final = 2000  # messages scanned per page
# The sequence number is assigned at storage, the time at receipt: DNS look-ups may lie between.
_SLACK: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Conditions on a message; None means any."""

    status: ReadStatus = "all"
    from_address: str | None = None  # compared case-insensitively
    conversation_id: str | None = None
    verified: bool | None = None
    since: datetime | None = None  # received at or after

    @property
    def is_plain(self) -> bool:
        """Whether only the status is filtered."""
        return self == MessageFilter(status=self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as a list shows it, with messages of both directions."""

    conversation_id: str
    messages: int
    last_seq: int
    last_direction: Literal["inbound", "outbound"]
    last_at: datetime
    last_from: str  # address
    last_subject: str


def search_messages(
    tx: Tx, agent: str, wanted: MessageFilter, *, limit: int, cursor: str | None, now: datetime
) -> Page[Message]:
    """Inbound messages that match *wanted*, in order of arrival.

    Raises InvalidValue: malformed cursor.
    """
    behind = parse_cursor(cursor)
    if wanted.since is not None:
        behind = max(behind, _last_before(tx, agent, wanted.since - _SLACK))
    found = inbound_behind(
        tx, agent, behind, status=wanted.status, limit=SCAN_LIMIT, now=now, conversation_id=wanted.conversation_id
    )
    window = found.subquery()
    count = max(1, min(limit, MAX_PAGE))
    fitting = select(window).where(*_conditions(window, wanted)).order_by(window.c.seq).limit(count + 1)
    rows = tx.execute(fitting).all()
    items = [message_of(row) for row in rows[:count]]
    if len(rows) > count:
        return Page(items, str(items[-1].seq))
    return Page(items, _end_of(tx, window))


def list_conversations(tx: Tx, agent: str, *, limit: int, cursor: str | None, now: datetime) -> Page[Conversation]:
    """An agent's conversations, ordered by their newest message, newest first.

    Raises InvalidValue: malformed cursor.
    """
    all_living = unexpired(agent, now=now)
    ahead = and_(all_living, messages.c.seq < parse_cursor(cursor)) if cursor is not None else all_living
    newest = messages.c.seq.desc()
    window = select(messages).where(ahead).order_by(newest).limit(SCAN_LIMIT).subquery()
    of_it = and_(messages.c.agent == agent, messages.c.conversation_id == window.c.conversation_id)
    last = select(func.max(messages.c.seq)).where(of_it).correlate(window).scalar_subquery()
    count = max(1, min(limit, MAX_PAGE))
    heads = select(window).where(window.c.seq == last).order_by(window.c.seq.desc()).limit(count + 1)
    rows = tx.execute(heads).all()
    sizes = _sizes(tx, agent, [row.conversation_id for row in rows[:count]], now=now)
    items = [_conversation(row, sizes[row.conversation_id]) for row in rows[:count]]
    if len(rows) > count:
        return Page(items, str(items[-1].last_seq))
    return Page(items, _end_of(tx, window, descending=True))


def _conditions(window: Subquery, wanted: MessageFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.from_address is not None:
        conditions.append(func.lower(window.c.from_address) == wanted.from_address.lower())
    if wanted.verified is not None:
        conditions.append(window.c.verified.is_(wanted.verified))
    if wanted.since is not None:
        conditions.append(window.c.received_at >= wanted.since)
    return conditions


def _end_of(tx: Tx, window: Subquery, *, descending: bool = False) -> str | None:
    """The cursor behind a window with too few matches; None at the end of the list."""
    edge = func.min(window.c.seq) if descending else func.max(window.c.seq)
    looked_at, last = tx.execute(select(func.count(), edge).select_from(window)).one()
    return str(last) if looked_at == SCAN_LIMIT else None


def _last_before(tx: Tx, agent: str, at: datetime) -> int:
    """A sequence number up to which all messages were received before *at*.

    Found by binary search.
    """
    low, high = 0, tx.execute(select(agents.c.last_seq).where(agents.c.address == agent)).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        query = select(messages.c.seq, messages.c.received_at).where(messages.c.agent == agent)
        row = tx.execute(query.where(messages.c.seq >= middle).order_by(messages.c.seq).limit(1)).first()
        if row is None or row.received_at >= at:
            high = middle - 1
        else:
            low = row.seq
    return low


def _sizes(tx: Tx, agent: str, conversation_ids: list[str], *, now: datetime) -> dict[str, int]:
    theirs = and_(
        messages.c.agent == agent, messages.c.conversation_id.in_(conversation_ids), messages.c.expires_at > now
    )
    query = select(messages.c.conversation_id, func.count()).where(theirs).group_by(messages.c.conversation_id)
    return {row[0]: row[1] for row in tx.execute(query)}


def _conversation(row: Any, size: int) -> Conversation:
    return Conversation(
        conversation_id=row.conversation_id,
        messages=size,
        last_seq=row.seq,
        last_direction=row.direction,
        last_at=row.received_at,
        last_from=row.from_address,
        last_subject=row.subject,
    )
