"""Messages: one mail as one agent sees it.

Lists never touch the bytes. A cursor is the agent's own sequence number, which is given out under
the agent's row lock: whoever commits later has the higher one, so no reader ever skips a row.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import CompoundSelect, Row, Select, and_, case, insert, select, union_all, update

from store.cursors import parse_cursor
from store.errors import MessageNotFound
from store.expiry import KEPT_FOR, unexpired
from store.ids import new_conversation_id
from store.mail.bodies import read_body
from store.mail.conversations import lookup_conversation_id, provider_id
from store.mail.deliveries import enqueue
from store.mail.mailbox import next_place
from store.mail.usage import record_usage
from store.records.mail import Message, MessageStatus, NewMessage, Page
from store.schema.inbound import INBOUND, READ, UNREAD, agents, messages
from store.transaction import Tx
from store.wake import INBOX

MAX_PAGE: Final = 200

ReadStatus = Literal["unread", "read", "all"]

_COLUMNS: Final = [messages.c[field.name] for field in fields(Message)]
_INSERT: Final = insert(messages)


def create_inbound_message(tx: Tx, new: NewMessage) -> Message:
    """Keep *new* for its agent, together with the delivery or the place in the queue it asks for.

    The content must be there already. Raises AgentNotFound when the agent is gone meanwhile.
    """
    mailbox = next_place(tx, new.agent)
    conversation = lookup_conversation_id(tx, new.agent, new.parent_ids) or new_conversation_id()
    values = {field.name: getattr(new, field.name) for field in fields(NewMessage) if field.name != "parent_ids"}
    values |= {
        "seq": mailbox.seq,
        "direction": "inbound",
        "status": "unread",
        "conversation_id": conversation,
    }
    provider = provider_id(new.email_message_id or "")
    queue = {"queued": mailbox.mode == "poll", "visible_at": new.received_at, "expires_at": new.received_at + KEPT_FOR}
    tx.defer(_INSERT, values | queue | {"provider_message_id": provider})
    if mailbox.mode == "webhook" and "email.received" in mailbox.events:
        enqueue(tx, agent=new.agent, event_type="email.received", message_id=new.id, now=new.received_at)
    if mailbox.user_id is not None:
        record_usage(
            tx,
            user_id=mailbox.user_id,
            kind="received",
            agent=new.agent,
            message_id=new.id,
            size=new.raw_size,
            at=new.received_at,
        )
    tx.wake(INBOX + new.agent)
    return Message(**values)


def get_inbound_message(tx: Tx, agent: str, message_id: str, *, now: datetime) -> Message:
    """A message of this agent, unless its time is over. Raises MessageNotFound."""
    mine = and_(messages.c.id == message_id, messages.c.agent == agent, messages.c.direction == "inbound")
    row = tx.execute(select(*_COLUMNS).where(mine, messages.c.expires_at > now)).first()
    if row is None:
        raise MessageNotFound
    return message_of(row)


def find_bytes(tx: Tx, agent: str, message_id: str, *, now: datetime) -> tuple[int, str | None]:
    """Size and SHA-256 of a message of this agent of either direction, None once they are gone.

    Raises MessageNotFound.
    """
    mine = and_(messages.c.id == message_id, messages.c.agent == agent, messages.c.expires_at > now)
    row = tx.execute(select(messages.c.raw_size, messages.c.raw_sha256).where(mine)).first()
    if row is None:
        raise MessageNotFound
    return row.raw_size, row.raw_sha256


def get_message_with_content(
    tx: Tx, agent: str, message_id: str, *, now: datetime, peek: bool = False
) -> tuple[Message, bytes]:
    """An inbound message and its bytes; unless it is only a *peek*, it is read from now on. Raises MessageNotFound."""
    message = get_inbound_message(tx, agent, message_id, now=now)
    raw = read_body(tx, message.raw_sha256)
    if peek or message.status != "unread":
        return message, raw
    mark_read(tx, message.id)
    return replace(message, status="read"), raw


def find_message(tx: Tx, message_id: str) -> Message:
    """An inbound message by its id alone, for the operator. Raises MessageNotFound."""
    row = tx.execute(select(*_COLUMNS).where(messages.c.id == message_id, INBOUND)).first()
    if row is None:
        raise MessageNotFound
    return message_of(row)


def get_messages(tx: Tx, message_ids: Sequence[str]) -> dict[str, Message]:
    """Several inbound messages by their ids."""
    rows = tx.execute(select(*_COLUMNS).where(messages.c.id.in_(message_ids), INBOUND))
    return {row.id: message_of(row) for row in rows}


def get_messages_by_agent(
    tx: Tx,
    agent: str,
    *,
    status: ReadStatus,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> Page[Message]:
    """Inbound messages in order of arrival, from behind *cursor* on. Raises InvalidValue for no cursor of ours."""
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(inbound_behind(tx, agent, parse_cursor(cursor), status=status, limit=count + 1, now=now)).all()
    items = [message_of(row) for row in rows[:count]]
    return Page(items, str(items[-1].seq) if len(rows) > count else None)


def inbound_behind(
    tx: Tx,
    agent: str,
    seq: int,
    *,
    status: ReadStatus,
    limit: int,
    now: datetime,
    conversation_id: str | None = None,
) -> Select[Any] | CompoundSelect[Any]:
    """The first *limit* inbound messages of an agent behind *seq*, in order of arrival.

    A part for each kind, which the database merges: each is read along an index of its own, and none
    reads through the rows of another kind, however many there are.
    """
    kinds = {"unread": [UNREAD], "read": [READ], "all": [UNREAD, READ]}[status]
    behind = unexpired(agent, behind=seq, now=now)
    if conversation_id is not None:
        behind = and_(behind, messages.c.conversation_id == conversation_id)
    parts = [select(*_COLUMNS).where(behind, kind) for kind in kinds]
    ordered = [part.order_by(messages.c.seq).limit(limit) for part in parts]
    if len(parts) == 1:
        return ordered[0]
    # SQLite merges parts as they are. PostgreSQL would read all of both and sort, unless each has its order and end.
    if tx.connection.dialect.name == "postgresql":
        parts = [select(part.subquery()) for part in ordered]
    return union_all(*parts).order_by("seq").limit(limit)


def list_newest(tx: Tx, agent: str | None, *, limit: int) -> list[Message]:
    """The newest inbound messages of an agent, or of everybody, for the operator's eye; newest first."""
    query = select(*_COLUMNS).where(INBOUND).order_by(messages.c.id.desc())  # ids begin with the time
    if agent is not None:
        query = select(*_COLUMNS).where(messages.c.agent == agent, INBOUND).order_by(messages.c.seq.desc())
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
