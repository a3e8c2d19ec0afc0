"""Create, read and list messages: one mail as one agent sees it.

Lists never read the bytes. A cursor is the agent's sequence number, taken under the agent's row lock: a
later commit has a higher number, so a reader never skips a row.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    and_,
    bindparam,
    case,
    insert,
    select,
    union_all,
    update,
)

from store.cursors import parse_cursor
from store.database.constant import Constant
from store.errors import MessageNotFound
from store.expiry import KEPT_FOR, unexpired, unexpired_named, unexpired_values
from store.mail.awaited import join_conversation
from store.mail.bodies import read_body
from store.mail.conversations import provider_id
from store.mail.deliveries import enqueue, enqueue_claimed
from store.mail.mailbox import MailboxPlace, next_place
from store.mail.usage import record_usage
from store.records.mail import FirstClaim, Message, MessageStatus, NewMessage, Page, Receipt
from store.schema.inbound import INBOUND, READ, UNREAD, agents, messages
from store.transaction import Tx
from store.wake import INBOX

MAX_PAGE: Final = 200

ReadStatus = Literal["unread", "read", "all"]

_RECEIPT: Final = tuple(field.name for field in fields(Receipt))
_NAMES: Final = tuple(field.name for field in fields(Message))
_COLUMNS: Final = [messages.c[name] for name in _NAMES]
_INSERT: Final = Constant(insert(messages))
_UNEXPIRED: Final = and_(
    messages.c.id == bindparam("message"),
    messages.c.agent == bindparam("agent"),
    messages.c.expires_at > bindparam("now"),
)
_INBOUND: Final = Constant(select(*_COLUMNS).where(_UNEXPIRED, INBOUND))
_BYTES: Final = Constant(select(messages.c.raw_size, messages.c.raw_sha256).where(_UNEXPIRED))
_MARK_READ: Final = Constant(
    update(messages)
    .where(messages.c.id == bindparam("message"))
    .values(status="read", queued=case((messages.c.leases > 0, messages.c.queued), else_=False))
)
_EVENT: Final = "email.received"


def create_inbound_message(tx: Tx, new: NewMessage) -> Message:
    """Store *new* for its agent, with its webhook delivery or its queue entry.

    The content must be stored already. Raises AgentNotFound when the agent was deleted meanwhile.
    """
    message, mailbox = _insert_inbound(tx, new)
    if mailbox.mode == "webhook" and _EVENT in mailbox.events:
        enqueue(tx, agent=new.agent, event_type=_EVENT, message_id=new.id, now=new.received_at)
    return message


def create_claimed_message(tx: Tx, new: NewMessage, *, until: datetime) -> FirstClaim | None:
    """The same, but its webhook delivery is inserted as claimed by this process until *until*.

    None when the message has no delivery, or when the agent's webhook is off: its delivery waits unclaimed.
    """
    message, mailbox = _insert_inbound(tx, new)
    if mailbox.mode != "webhook" or _EVENT not in mailbox.events:
        return None
    at, webhook = new.received_at, mailbox.webhook
    if webhook is None:
        enqueue(tx, agent=new.agent, event_type=_EVENT, message_id=new.id, now=at)
        return None
    claim = enqueue_claimed(tx, agent=new.agent, event_type=_EVENT, message_id=new.id, until=until, now=at)
    return FirstClaim(claim=claim, message=message, url=webhook.url, key_id=webhook.key_id)


def _insert_inbound(tx: Tx, new: NewMessage) -> tuple[Message, MailboxPlace]:
    mailbox = next_place(tx, new.agent)
    conversation = join_conversation(tx, mailbox, new)
    message = as_message(new, seq=mailbox.seq, conversation_id=conversation)
    values = {name: getattr(message, name) for name in _NAMES}
    provider = provider_id(new.email_message_id or "")
    queue = {"queued": mailbox.mode == "poll", "visible_at": new.received_at, "expires_at": new.received_at + KEPT_FOR}
    tx.defer(_INSERT, values | queue | {"provider_message_id": provider})
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
    return message, mailbox


def as_message(new: NewMessage, *, seq: int, conversation_id: str) -> Message:
    """*new* as an unread message with the agent's sequence number *seq*. Pure."""
    values = {name: getattr(new, name) for name in _RECEIPT}
    return Message(**values, seq=seq, direction="inbound", status="unread", conversation_id=conversation_id)


def get_inbound_message(tx: Tx, agent: str, message_id: str, *, now: datetime) -> Message:
    """An inbound message of this agent that has not expired. Raises MessageNotFound."""
    rows = tx.fetch(_INBOUND, {"message": message_id, "agent": agent, "now": now})
    if not rows:
        raise MessageNotFound
    return message_of(rows[0])


def find_bytes(tx: Tx, agent: str, message_id: str, *, now: datetime) -> tuple[int, str | None]:
    """Size and SHA-256 of a message's bytes, inbound or outbound.

    The SHA-256 is None once they are deleted.

    Raises MessageNotFound.
    """
    rows = tx.fetch(_BYTES, {"message": message_id, "agent": agent, "now": now})
    if not rows:
        raise MessageNotFound
    return rows[0].raw_size, rows[0].raw_sha256


def get_message_with_content(
    tx: Tx, agent: str, message_id: str, *, now: datetime, peek: bool = False
) -> tuple[Message, bytes]:
    """An inbound message and its bytes; marks it read unless *peek* is set.

    Raises MessageNotFound.
    """
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
    """A page of inbound messages in order of arrival, after *cursor*.

    Raises InvalidValue for a malformed cursor.
    """
    count = max(1, min(limit, MAX_PAGE))
    asked = unexpired_values(agent, behind=parse_cursor(cursor), now=now)
    rows = tx.fetch(_LISTED[status], asked | {"most": count + 1})
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
    """Query the first *limit* inbound messages after *seq*, in order of arrival.

    One part per kind (read, unread), merged by the database: each part uses its own index, and its cost does
    not depend on the number of rows of the other kind.
    """
    behind = unexpired(agent, behind=seq, now=now)
    if conversation_id is not None:
        behind = and_(behind, messages.c.conversation_id == conversation_id)
    return _merged(behind, status, limit, tx.connection.dialect.name)


def _merged(
    behind: ColumnElement[bool], status: ReadStatus, limit: Any, dialect_name: str
) -> Select[Any] | CompoundSelect[Any]:
    kinds = {"unread": [UNREAD], "read": [READ], "all": [UNREAD, READ]}[status]
    parts = [select(*_COLUMNS).where(behind, kind) for kind in kinds]
    ordered = [part.order_by(messages.c.seq).limit(limit) for part in parts]
    if len(parts) == 1:
        return ordered[0]
    # SQLite merges the parts as written. PostgreSQL would read both parts whole and sort them, unless each part
    # has its own ORDER BY and LIMIT.
    if dialect_name == "postgresql":
        parts = [select(part.subquery()) for part in ordered]
    return union_all(*parts).order_by("seq").limit(limit)


def _listed(status: ReadStatus) -> Constant:
    names = ("sqlite", "postgresql")
    return Constant({name: _merged(unexpired_named(), status, bindparam("most"), name) for name in names})


_LISTED: Final = {status: _listed(status) for status in get_args(ReadStatus)}


def list_newest(tx: Tx, agent: str | None, *, limit: int) -> list[Message]:
    """The newest inbound messages of one agent or of all; for the operator."""
    query = select(*_COLUMNS).where(INBOUND).order_by(messages.c.id.desc())  # ids begin with the time
    if agent is not None:
        query = select(*_COLUMNS).where(messages.c.agent == agent, INBOUND).order_by(messages.c.seq.desc())
    return [message_of(row) for row in tx.execute(query.limit(limit))]


def update_message_delivery_status(
    tx: Tx, agent: str, message_id: str, status: MessageStatus, *, now: datetime
) -> Message:
    """Mark an inbound message read or unread; an unread one can be leased again.

    Raises MessageNotFound.
    """
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
    """Mark a message read.

    A message that was leased before stays in the queue until it is acked.
    """
    tx.change(_MARK_READ, {"message": message_id})


def message_of(row: Row[Any]) -> Message:
    """The record of a row that has at least a message's columns."""
    return Message(**{name: getattr(row, name) for name in _NAMES})
