"""Taking an account back in from its export, thing by thing: what is there already stays as it is.

An import never makes anything happen: no webhook is called and nothing is sent for it. An outbound message
that was on its way becomes ``unconfirmed`` (who exported it may have sent it since), one that waited for a
person becomes ``failed``, and both wait for their owner's word.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, update

from store.directory.agents import create_agent, get_agent_by_email
from store.directory.domains import claim_or_create_domain, lookup_domain, verify_domain
from store.directory.users import LOCAL, get_user_by_email, get_user_by_id
from store.errors import AddressTaken, AgentNotFound, DomainNotFound, InvalidValue, UserNotFound
from store.mail.bodies import keep_body
from store.records.imports import Contents, ImportedMessage, ImportedOutbound, Row
from store.records.mail import Agent, AgentSecret, Message, User
from store.schema.inbound import agents, messages, users
from store.schema.outbound import outbound
from store.transaction import Tx
from store.wake import INBOX

MAX_SEQ: Final = 2**53  # far beyond any mailbox, and far below where counting would end
WAS_HELD: Final = "it waited for a decision when the account was exported"
WAS_UNDER_WAY: Final = "it was on its way when the account was exported"
_AS_IMPORTED: Final = {"queued": "unconfirmed", "sending": "unconfirmed", "pending_approval": "failed"}
_ERRORS: Final = {"queued": WAS_UNDER_WAY, "sending": WAS_UNDER_WAY, "pending_approval": WAS_HELD}
# Of an agent, what create_agent does not take.
_AFTERWARDS: Final = (*("webhook_off_at", "hitl_enabled", "hitl_ttl_seconds", "hitl_expiration_action", "updated_at"),)
_MESSAGE: Final = tuple(field.name for field in fields(Message))


def import_user(tx: Tx, told: User) -> tuple[User, bool]:
    """The user to take things in for, and whether they are new: whoever has this id, else this email, else *told*.

    Raises InvalidValue.
    """
    for find, key in ((get_user_by_id, told.id), (get_user_by_email, told.email)):
        try:
            return find(tx, key), False
        except UserNotFound:
            continue
    values = {field.name: getattr(told, field.name) for field in fields(User)} | {"subject": LOCAL + told.id}
    tx.execute(insert(users), values)
    return get_user_by_id(tx, told.id), True


def import_domain(
    tx: Tx,
    user_id: str,
    name: str,
    *,
    token: str,
    created_at: datetime,
    next_check_at: datetime,
    verified_at: datetime | None,
) -> bool:
    """Claim a domain for its user, and with a *verified_at* take it for proved; whether the claim is new.

    Raises InvalidValue, DomainNotAvailable.
    """
    try:
        lookup_domain(tx, user_id, name)
        is_new = False
    except DomainNotFound:
        claim_or_create_domain(tx, user_id, name, token=token, now=created_at, next_check_at=next_check_at)
        is_new = True
    if verified_at is not None:
        verify_domain(tx, user_id, name, now=verified_at)
    return is_new


def import_agent(tx: Tx, user_id: str, told: Agent, secret: AgentSecret) -> bool:
    """Keep an agent with a *secret* of its own; whether it is new.

    Raises InvalidValue, DomainNotFound (not claimed by this user), AddressTaken.
    """
    try:
        found = get_agent_by_email(tx, told.address)
    except AgentNotFound:
        found = None
    if found is not None and found.user_id == user_id:
        return False
    create_agent(
        tx,
        user_id,
        told.address,
        mode=told.mode,
        webhook_url=told.webhook_url,
        secret=secret,
        now=told.created_at,
        name=told.name,
        events=told.events,
        on_unverified=told.on_unverified,
        is_postmaster=told.is_postmaster,
    )
    further = {name: getattr(told, name) for name in _AFTERWARDS}
    tx.execute(update(agents).where(agents.c.address == told.address).values(further))
    return True


def owners_of_messages(tx: Tx, message_ids: Sequence[str]) -> dict[str, str | None]:
    """Whose those of these messages are that are there, by their ids; the operator's own are None's."""
    query = select(messages.c.id, agents.c.user_id).join_from(messages, agents)
    return {row.id: row.user_id for row in tx.execute(query.where(messages.c.id.in_(message_ids)))}


def own_agents(tx: Tx, user_id: str, addresses: Sequence[str]) -> set[str]:
    """Which of these are addresses of this user's agents."""
    mine = agents.c.address.in_(addresses), agents.c.user_id == user_id
    return set(tx.execute(select(agents.c.address).where(*mine)).scalars())


def import_messages(tx: Tx, user_id: str, told: Sequence[ImportedMessage], contents: Contents, *, now: datetime) -> int:
    """Keep those of *told* that are not there, in their order, each with its bytes; how many were kept.

    A message keeps its number where nothing came behind it, else it gets the next one: what came first is what
    readers have passed. Raises InvalidValue, AgentNotFound, AddressTaken for what is another user's, and
    Unavailable when chunks are gone.
    """
    fresh = _not_there(tx, user_id, told)
    rows = _rows(tx, user_id, fresh)
    for each in fresh:
        if each.message.raw_sha256 is not None:
            keep_body(
                tx,
                each.message.raw_sha256,
                size=each.message.raw_size,
                content=contents[each.message.raw_sha256],
                now=now,
            )
    if rows:
        tx.execute(insert(messages), rows)
        _keep_written(tx, fresh)
    return len(rows)


def _not_there(tx: Tx, user_id: str, told: Sequence[ImportedMessage]) -> list[ImportedMessage]:
    owners = owners_of_messages(tx, [each.message.id for each in told])
    if any(owner != user_id for owner in owners.values()):
        raise AddressTaken("a message of this id is another user's")
    return [each for each in told if each.message.id not in owners]


def _rows(tx: Tx, user_id: str, fresh: Sequence[ImportedMessage]) -> list[Row]:
    """The rows, numbered; their agents are locked until the end, and count on from here."""
    addresses = sorted({each.message.agent for each in fresh})
    held = select(agents.c.address, agents.c.last_seq, agents.c.mode).where(agents.c.user_id == user_id)
    held = held.where(agents.c.address.in_(addresses)).order_by(agents.c.address)
    boxes = {row.address: row for row in tx.execute(held.with_for_update(key_share=True))}
    last = {address: box.last_seq for address, box in boxes.items()}
    rows = []
    for each in fresh:
        agent = each.message.agent
        if agent not in boxes:
            raise AgentNotFound(f"no agent {agent} of this user")
        last[agent] = max(last[agent] + 1, each.message.seq)
        rows.append(_row(each, seq=last[agent], polls=boxes[agent].mode == "poll"))
    for address in addresses:
        tx.execute(update(agents).where(agents.c.address == address).values(last_seq=last[address]))
        tx.wake(INBOX + address)
    return rows


def _row(each: ImportedMessage, *, seq: int, polls: bool) -> Row:
    if not 0 < each.message.seq <= MAX_SEQ:
        raise InvalidValue("a message's number is out of range")
    values: Row = {name: getattr(each.message, name) for name in _MESSAGE}
    status = values["status"]
    return values | {
        "seq": seq,
        "status": _AS_IMPORTED.get(status, status),
        "provider_message_id": each.provider_message_id,
        "expires_at": each.expires_at,
        "hold_expires_at": each.hold_expires_at,
        "visible_at": values["received_at"],
        "queued": polls and status == "unread",
    }


def _keep_written(tx: Tx, fresh: Sequence[ImportedMessage]) -> None:
    wrote = [(each.message, each.written) for each in fresh if each.written is not None]
    reviewers = {written.reviewed_by for _, written in wrote} - {None}
    known = set(tx.execute(select(users.c.id).where(users.c.id.in_(reviewers))).scalars())
    rows = [_written_row(message, written, known) for message, written in wrote]
    if rows:
        tx.execute(insert(outbound), rows)


def _written_row(message: Message, written: ImportedOutbound, known: set[str]) -> Row:
    values: dict[str, Any] = asdict(written) | {"message_id": message.id}
    values["reviewed_by"] = written.reviewed_by if written.reviewed_by in known else None
    values["error"] = _ERRORS.get(message.status, written.error)
    return values
