"""Messages: one mail as one agent sees it.

Lists never touch the bytes. A cursor is the agent's own sequence number, which is given out under
the agent's row lock: whoever commits later has the higher one, so no reader ever skips a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Row, and_, bindparam, case, insert, select, update

from store.deliveries import enqueue
from store.errors import AgentNotFound, InvalidValue, MessageNotFound
from store.ids import new_conversation_id
from store.records import Message, MessageStatus, NewMessage, Page
from store.schema import UNREAD, agents, messages
from store.transaction import Tx
from store.wake import INBOX

KEPT_FOR: Final = timedelta(days=30)
MAX_REFERENCES: Final = 50
MAX_PAGE: Final = 200

_COLUMNS: Final = [messages.c[field.name] for field in fields(Message)]
_MAILBOX: Final = (
    select(agents.c.last_seq, agents.c.mode, agents.c.events)
    .where(agents.c.address == bindparam("address"))
    .with_for_update(key_share=True)
)
# Of several mails with one id the oldest is meant: whoever repeats an id does not draw answers to it
# into another conversation.
_CONVERSATION: Final = (
    select(messages.c.conversation_id)
    .where(messages.c.agent == bindparam("whose"), messages.c.email_message_id == bindparam("parent"))
    .order_by(messages.c.agent, messages.c.email_message_id, messages.c.seq)
    .limit(1)
)
_COUNT_UP: Final = update(agents).where(agents.c.address == bindparam("mailbox")).values(last_seq=bindparam("seq"))
_INSERT: Final = insert(messages)


def create_inbound_message(tx: Tx, new: NewMessage) -> Message:
    """Keep *new* for its agent, together with the delivery or the place in the queue it asks for.

    The content must be there already. Raises AgentNotFound when the agent is gone meanwhile.
    """
    mailbox = _next_place(tx, new.agent)
    conversation = lookup_conversation_id(tx, new.agent, new.parent_ids) or new_conversation_id()
    values = {field.name: getattr(new, field.name) for field in fields(NewMessage) if field.name != "parent_ids"}
    values |= {
        "seq": mailbox.counted["seq"],
        "direction": "inbound",
        "status": "unread",
        "conversation_id": conversation,
    }
    queue = {"queued": mailbox.mode == "poll", "visible_at": new.received_at, "expires_at": new.received_at + KEPT_FOR}
    tx.later(_INSERT, values | queue)
    if mailbox.mode == "webhook" and "email.received" in mailbox.events:
        enqueue(tx, agent=new.agent, event_type="email.received", message_id=new.id, now=new.received_at)
    tx.wake(INBOX + new.agent)
    return Message(**values)


def lookup_conversation_id(tx: Tx, agent: str, parent_ids: Sequence[str]) -> str | None:
    """The conversation of the nearest of *parent_ids* (bare, nearest first) that this agent knows."""
    # A parent in the same group is too new to have been answered.
    for parent in parent_ids[:MAX_REFERENCES]:
        conversation: str | None = tx.ahead(_CONVERSATION, {"whose": agent, "parent": parent}).scalar()
        if conversation is not None:
            return conversation
    return None


def get_inbound_message(tx: Tx, agent: str, message_id: str, *, now: datetime) -> Message:
    """A message of this agent, unless its time is over. Raises MessageNotFound."""
    mine = and_(messages.c.id == message_id, messages.c.agent == agent, messages.c.direction == "inbound")
    row = tx.execute(select(*_COLUMNS).where(mine, messages.c.expires_at > now)).first()
    if row is None:
        raise MessageNotFound
    return message_of(row)


def find_message(tx: Tx, message_id: str) -> Message:
    """A message by its id alone, for the operator. Raises MessageNotFound."""
    row = tx.execute(select(*_COLUMNS).where(messages.c.id == message_id)).first()
    if row is None:
        raise MessageNotFound
    return message_of(row)


def get_messages(tx: Tx, message_ids: Sequence[str]) -> dict[str, Message]:
    """Several messages by their ids."""
    rows = tx.execute(select(*_COLUMNS).where(messages.c.id.in_(message_ids)))
    return {row.id: message_of(row) for row in rows}


def get_messages_by_agent(
    tx: Tx,
    agent: str,
    *,
    status: Literal["unread", "read", "all"],
    limit: int,
    cursor: str | None,
    now: datetime,
) -> Page[Message]:
    """Inbound messages in order of arrival, from behind *cursor* on. Raises InvalidValue for no cursor of ours."""
    kind = UNREAD if status == "unread" else messages.c.direction == "inbound"
    wanted = [messages.c.agent == agent, messages.c.seq > _position(cursor), messages.c.expires_at > now, kind]
    if status == "read":
        wanted.append(messages.c.status == status)
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(select(*_COLUMNS).where(*wanted).order_by(messages.c.seq).limit(count + 1)).all()
    items = [message_of(row) for row in rows[:count]]
    return Page(items, str(items[-1].seq) if len(rows) > count else None)


def list_newest(tx: Tx, agent: str | None, *, limit: int) -> list[Message]:
    """The newest messages of an agent, or of everybody, for the operator's eye; newest first."""
    query = select(*_COLUMNS).order_by(messages.c.received_at.desc(), messages.c.id.desc())
    if agent is not None:
        query = select(*_COLUMNS).where(messages.c.agent == agent).order_by(messages.c.seq.desc())
    return [message_of(row) for row in tx.execute(query.limit(limit))]


def update_message_delivery_status(
    tx: Tx, agent: str, message_id: str, status: MessageStatus, *, now: datetime
) -> Message:
    """Mark an inbound message read or unread; unread puts it back where it can be leased. Raises MessageNotFound."""
    message = get_inbound_message(tx, agent, message_id, now=now)
    if status == "read":
        mark_read(tx, message.id)
    else:
        waits = select(agents.c.mode == "poll").where(agents.c.address == agent).scalar_subquery()
        fresh = {"status": "unread", "queued": waits, "leases": 0, "lease_token": None, "visible_at": now}
        tx.execute(update(messages).where(messages.c.id == message.id).values(fresh))
        tx.wake(INBOX + agent)
    return get_inbound_message(tx, agent, message_id, now=now)


def mark_read(tx: Tx, message_id: str) -> None:
    """Remember that it was read. What was leased before stays in the queue until it is acked."""
    still_queued = case((messages.c.leases > 0, messages.c.queued), else_=False)
    tx.execute(update(messages).where(messages.c.id == message_id).values(status="read", queued=still_queued))


def message_of(row: Row[Any]) -> Message:
    """The record of a row that has (at least) the columns of a message."""
    found = row._mapping
    return Message(**{column.name: found[column.name] for column in _COLUMNS})


@dataclass(slots=True)
class _Mailbox:
    """An agent's row as messages of this transaction need it."""

    mode: str
    events: list[str]
    counted: dict[str, Any]  # the values that the put-off update will write


def _next_place(tx: Tx, address: str) -> _Mailbox:
    """The agent's next sequence number, under its row's lock from the first one on."""
    mailbox: _Mailbox | None = tx.notes.get(("mailbox", address))
    if mailbox is None:
        row = tx.ahead(_MAILBOX, {"address": address}).first()
        if row is None:
            raise AgentNotFound
        mailbox = _Mailbox(row.mode, row.events, {"mailbox": address, "seq": row.last_seq})
        tx.notes["mailbox", address] = mailbox
        tx.later(_COUNT_UP, mailbox.counted)
    mailbox.counted["seq"] += 1
    return mailbox


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidValue("not a cursor of this list")
    return int(cursor)
