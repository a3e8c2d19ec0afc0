"""Outbound messages: create, read, rewrite and scrub. A row in ``messages`` for lists, the content apart from it.

The content is kept until the message is sent, rejected or expired, and removed then.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, delete, insert, select, update

from store.directory.hitl import validate_hitl_config
from store.errors import InvalidValue, MessageNotFound
from store.expiry import KEPT_FOR
from store.ids import new_conversation_id
from store.mail.bodies import keep_body
from store.mail.body_gc import MAX_CHUNKS, forget_bodies, forget_chunks
from store.mail.conversations import lookup_conversation_id
from store.mail.mailbox import next_place
from store.mail.outbound_events import enqueue_outbound_event
from store.names import is_text
from store.outbound.rows import WHOLE, one_message, summaries, summary_of
from store.records.outbound import (
    Draft,
    NewOutbound,
    OutboundAttachment,
    OutboundMessage,
    OutboundStatus,
    OutboundSummary,
    WireBytes,
)
from store.schema.inbound import WRITTEN, agents, messages
from store.schema.outbound import outbound, outbound_attachments
from store.transaction import Tx
from store.wake import SENDING

MAX_RECIPIENTS: Final = 50
MAX_ADDRESS: Final = 320
MAX_SUBJECT: Final = 998  # RFC 5322 §2.1.1
MAX_NAME: Final = 255

# Built once: building a statement costs more than running it.
_ANY: Final = WHOLE.where(messages.c.id == bindparam("message"))
_DROP_FILES: Final = delete(outbound_attachments).where(outbound_attachments.c.message_id == bindparam("message"))
_OWNER: Final = (
    select(agents.c.user_id)
    .join_from(messages, agents)
    .where(messages.c.id == bindparam("message"), messages.c.direction == "outbound")
)
_SCRUB: Final = (
    update(outbound)
    .where(outbound.c.message_id == bindparam("message"))
    .values(text=None, html=None, headers=[], scrubbed_at=bindparam("at"))
)
_WIRE: Final = select(messages.c.raw_sha256).where(messages.c.id == bindparam("message"))
_DROP_WIRE: Final = update(messages).where(messages.c.id == bindparam("message")).values(raw_sha256=None)
_INSERT: Final = insert(messages)
_INSERT_CONTENT: Final = insert(outbound)


def create_outbound_message(tx: Tx, new: NewOutbound) -> OutboundMessage:
    """Store *new* as ``queued``, due at once. Raises AgentNotFound, InvalidValue."""
    return _keep(tx, new, status="queued", hold_expires_at=None)


def create_pending_outbound_message(tx: Tx, new: NewOutbound, *, ttl_seconds: int) -> OutboundMessage:
    """Store *new* as ``pending_approval`` with its whole content, for 1 to 604 800 seconds.

    Raises AgentNotFound, InvalidValue.
    """
    validate_hitl_config(ttl_seconds, "reject")  # the expiry action is read from the agent when the hold expires
    until = new.created_at + timedelta(seconds=ttl_seconds)
    return _keep(tx, new, status="pending_approval", hold_expires_at=until)


def get_outbound_message_for_user(tx: Tx, user_id: str, message_id: str, *, now: datetime) -> OutboundMessage:
    """An outbound message of this user's agents. Raises MessageNotFound, also for inbound and other users' ones."""
    mine = and_(messages.c.id == message_id, agents.c.user_id == user_id, messages.c.expires_at > now)
    return one_message(tx, WHOLE.join(agents, agents.c.address == messages.c.agent).where(mine))


def get_outbound_message_of_agent(tx: Tx, agent: str, message_id: str, *, now: datetime) -> OutboundMessage:
    """An outbound message of this agent that has not expired. Raises MessageNotFound, also for an inbound one."""
    mine = and_(messages.c.id == message_id, messages.c.agent == agent, messages.c.expires_at > now)
    return one_message(tx, WHOLE.where(mine))


def get_outbound_message(tx: Tx, message_id: str) -> OutboundMessage:
    """An outbound message of any agent. Raises MessageNotFound, also for an inbound one."""
    return one_message(tx, _ANY, message=message_id)


def get_outbound_messages(tx: Tx, message_ids: Sequence[str]) -> dict[str, OutboundMessage]:
    """Several outbound messages by their ids."""
    return {each: one_message(tx, _ANY, message=each) for each in _outbound_among(tx, message_ids)}


def list_newest_outbound(tx: Tx, agent: str | None, *, limit: int) -> list[OutboundSummary]:
    """The newest outbound messages of one agent, or of all agents with None; for the operator."""
    newest = select(messages.c.id).where(WRITTEN).order_by(messages.c.id.desc())  # ids begin with the time
    if agent is not None:
        newest = select(messages.c.id).where(messages.c.agent == agent, WRITTEN)
        newest = newest.order_by(messages.c.received_at.desc())
    ids = newest.limit(limit).subquery()
    rows = tx.execute(summaries().join(ids, ids.c.id == messages.c.id).order_by(messages.c.id.desc()))
    return [summary_of(row) for row in rows]


def _outbound_among(tx: Tx, message_ids: Sequence[str]) -> list[str]:
    wanted = select(messages.c.id).where(messages.c.id.in_(message_ids), messages.c.direction == "outbound")
    return list(tx.execute(wanted).scalars()) if message_ids else []


def resolve_outbound_owner(tx: Tx, message_id: str) -> str:
    """The id of the user whose agent wrote the message. Raises MessageNotFound, also for an inbound one."""
    found: str | None = tx.execute(_OWNER, {"message": message_id}).scalar()
    if found is None:
        raise MessageNotFound
    return found


def read_draft(tx: Tx, message: OutboundMessage) -> Draft:
    """The content of *message*, with its attachments."""
    query = select(outbound_attachments).where(outbound_attachments.c.message_id == message.id)
    files = tx.execute(query.order_by(outbound_attachments.c.number)).all()
    return Draft.addressed(
        message,
        subject=message.subject,
        text=message.text,
        html=message.html,
        attachments=tuple(_file(file) for file in files),
    )


def read_file(tx: Tx, message_id: str, number: int) -> OutboundAttachment:
    """Attachment *number* (from 0) of an outbound message. Raises MessageNotFound where there is none."""
    this = and_(outbound_attachments.c.message_id == message_id, outbound_attachments.c.number == number)
    file = tx.execute(select(outbound_attachments).where(this)).first()
    if file is None:
        raise MessageNotFound
    return _file(file)


def rewrite_draft(tx: Tx, message_id: str, draft: Draft, *, wire: WireBytes | None = None, now: datetime) -> None:
    """Replace the content by *draft* and its bytes, as the next revision.

    Raises InvalidValue; Unavailable when chunks of the bytes are missing.
    """
    check_draft(draft)
    _forget_wire(tx, message_id)
    if wire is not None:
        keep_body(tx, wire.sha256, size=wire.size, content=wire.content, now=now)
    shown: dict[str, Any] = {"subject": draft.subject, "recipient": draft.all_recipients[0]}
    shown |= {"raw_sha256": wire.sha256 if wire else None, "raw_size": wire.size if wire else 0}
    tx.execute(update(messages).where(messages.c.id == message_id).values(shown))
    revised = _content(draft) | {"revision": outbound.c.revision + 1, "digest": wire.sha256 if wire else None}
    tx.execute(update(outbound).where(outbound.c.message_id == message_id).values(revised))
    tx.execute(_DROP_FILES, {"message": message_id})
    _keep_files(tx, message_id, draft)


def attach_wire(tx: Tx, message_id: str, wire: WireBytes, *, mail_from: str, now: datetime) -> OutboundMessage:
    """Store the bytes of a message that was composed late, and their envelope sender.

    Raises Unavailable when chunks of the bytes are missing.
    """
    _forget_wire(tx, message_id)
    keep_body(tx, wire.sha256, size=wire.size, content=wire.content, now=now)
    bytes_of = {"raw_sha256": wire.sha256, "raw_size": wire.size, "mail_from": mail_from}
    tx.execute(update(messages).where(messages.c.id == message_id).values(bytes_of))
    tx.execute(update(outbound).where(outbound.c.message_id == message_id).values(digest=wire.sha256))
    return get_outbound_message(tx, message_id)


def scrub(tx: Tx, message_id: str, *, now: datetime) -> None:
    """Remove texts, attachments and bytes of a finished message. Recipients, subject and digest stay."""
    _forget_wire(tx, message_id)
    tx.execute(_SCRUB, {"message": message_id, "at": now})
    tx.execute(_DROP_FILES, {"message": message_id})


def check_draft(draft: Draft) -> None:
    """Check the limits of the schema and of a mail. Raises InvalidValue."""
    recipients = draft.all_recipients
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise InvalidValue(f"a mail has 1 to {MAX_RECIPIENTS} recipients")
    for address in recipients:
        if not is_text(address, most=MAX_ADDRESS) or "@" not in address:
            raise InvalidValue(f"not an address: {address[:MAX_ADDRESS]!r}")
    for _, name in draft.names:
        if not is_text(name, most=MAX_NAME):
            raise InvalidValue(f"a recipient's name has at most {MAX_NAME} printable characters")
    if not is_text(draft.subject, most=MAX_SUBJECT):
        raise InvalidValue(f"subject: at most {MAX_SUBJECT} printable characters")
    if "\0" in (draft.text or "") + (draft.html or ""):
        raise InvalidValue("text, html: no NUL")
    for file in draft.attachments:
        if not (is_text(file.filename, most=MAX_NAME) and is_text(file.content_type, most=MAX_NAME)):
            raise InvalidValue(f"a file's name and type have at most {MAX_NAME} printable characters")


def _keep(tx: Tx, new: NewOutbound, *, status: OutboundStatus, hold_expires_at: datetime | None) -> OutboundMessage:
    check_draft(new.draft)
    conversation = new.conversation_id or lookup_conversation_id(tx, new.agent, new.parent_ids) or new_conversation_id()
    row = {
        "id": new.id,
        "agent": new.agent,
        "seq": next_place(tx, new.agent).seq,
        "direction": "outbound",
        "status": status,
        "conversation_id": conversation,
        "recipient": new.draft.all_recipients[0],
        "mail_from": new.mail_from or new.agent,
        "from_address": new.agent,
        "subject": new.draft.subject,
        "email_message_id": new.email_message_id,
        "raw_sha256": new.raw_sha256,
        "raw_size": new.raw_size,
        "received_at": new.created_at,
        "expires_at": new.created_at + KEPT_FOR,
        "visible_at": new.created_at,
        "hold_expires_at": hold_expires_at,
    }
    tx.execute(_INSERT, row)
    content_row = {
        "message_id": new.id,
        "kind": new.kind,
        "headers": [list(header) for header in new.headers],
        "digest": new.raw_sha256,
        "answered": asdict(new.answered) if new.answered else None,
        "hold_reason": (new.hold_reason or "owner") if status == "pending_approval" else None,
    }
    tx.execute(_INSERT_CONTENT, content_row | _content(new.draft))
    _keep_files(tx, new.id, new.draft)
    if status == "queued":
        tx.wake(SENDING)
    else:
        details = {"hold_reason": content_row["hold_reason"]}
        enqueue_outbound_event(tx, new.agent, "email.pending_approval", new.id, now=new.created_at, details=details)
    return get_outbound_message(tx, new.id)


def _forget_wire(tx: Tx, message_id: str) -> None:
    """Remove a message's bytes; the size stays."""
    sha256: str | None = tx.execute(_WIRE, {"message": message_id}).scalar()
    if sha256 is None:
        return
    tx.execute(_DROP_WIRE, {"message": message_id})
    for body in forget_bodies(tx, [sha256]):
        while body.is_long and forget_chunks(tx, sha256, until=body.created_at, limit=MAX_CHUNKS):
            pass


def _keep_files(tx: Tx, message_id: str, draft: Draft) -> None:
    rows = [
        {
            "message_id": message_id,
            "number": number,
            "filename": file.filename,
            "content_type": file.content_type,
            "size": len(file.content),
            "content": file.content,
        }
        for number, file in enumerate(draft.attachments)
    ]
    if rows:
        tx.execute(insert(outbound_attachments), rows)


def _content(draft: Draft) -> dict[str, Any]:
    recipients: dict[str, Any] = {field: list(addresses) for field, addresses in draft.by_field}
    return recipients | {"names": [list(pair) for pair in draft.names], "text": draft.text, "html": draft.html}


def _file(row: Row[Any]) -> OutboundAttachment:
    return OutboundAttachment(filename=row.filename, content_type=row.content_type, content=bytes(row.content))
