"""Import an account from its export; objects that exist stay unchanged.

An import triggers no webhook and no sending. An outbound message that was being sent becomes ``unconfirmed``,
because the exporting relay may have sent it since; a held one becomes ``failed``. Their owner decides about
both.
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

MAX_SEQ: Final = 2**53  # far above any mailbox, far below the integer limit
WAS_HELD: Final = "it was pending approval when the account was exported"
WAS_UNDER_WAY: Final = "it was queued or being sent when the account was exported"
_AS_IMPORTED: Final = {"queued": "unconfirmed", "sending": "unconfirmed", "pending_approval": "failed"}
_ERRORS: Final = {"queued": WAS_UNDER_WAY, "sending": WAS_UNDER_WAY, "pending_approval": WAS_HELD}
# Fields of an agent that create_agent does not accept.
_AFTERWARDS: Final = (*("webhook_off_at", "hitl_enabled", "hitl_ttl_seconds", "hitl_expiration_action", "updated_at"),)
_MESSAGE: Final = tuple(field.name for field in fields(Message))


def import_user(tx: Tx, imported: User) -> tuple[User, bool]:
    """The user to import for, and whether it is new: matched by id, then by email.

    Raises InvalidValue.
    """
    for find, key in ((get_user_by_id, imported.id), (get_user_by_email, imported.email)):
        try:
            return find(tx, key), False
        except UserNotFound:
            continue
    values = {field.name: getattr(imported, field.name) for field in fields(User)} | {"subject": LOCAL + imported.id}
    tx.execute(insert(users), values)
    return get_user_by_id(tx, imported.id), True


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
    """Claim a domain for its user; whether the claim is new.

    With *verified_at* the domain counts as verified. Raises InvalidValue, DomainNotAvailable.
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


def import_agent(tx: Tx, user_id: str, imported: Agent, secret: AgentSecret) -> bool:
    """Create an agent with a new *secret*, unless the user has it; whether it is new.

    Raises InvalidValue. Raises DomainNotFound: the user has not claimed the domain. Raises AddressTaken.
    """
    try:
        found = get_agent_by_email(tx, imported.address)
    except AgentNotFound:
        found = None
    if found is not None and found.user_id == user_id:
        return False
    create_agent(
        tx,
        user_id,
        imported.address,
        mode=imported.mode,
        webhook_url=imported.webhook_url,
        secret=secret,
        now=imported.created_at,
        name=imported.name,
        events=imported.events,
        on_unverified=imported.on_unverified,
        answer_lists=imported.answer_lists,
        is_postmaster=imported.is_postmaster,
    )
    further = {name: getattr(imported, name) for name in _AFTERWARDS}
    tx.execute(update(agents).where(agents.c.address == imported.address).values(further))
    return True


def owners_of_messages(tx: Tx, message_ids: Sequence[str]) -> dict[str, str | None]:
    """The owners of those messages that exist, by message id.

    None is the owner of the operator's own messages.
    """
    query = select(messages.c.id, agents.c.user_id).join_from(messages, agents)
    return {row.id: row.user_id for row in tx.execute(query.where(messages.c.id.in_(message_ids)))}


def own_agents(tx: Tx, user_id: str, addresses: Sequence[str]) -> set[str]:
    """Those of *addresses* that are agents of this user."""
    mine = agents.c.address.in_(addresses), agents.c.user_id == user_id
    return set(tx.execute(select(agents.c.address).where(*mine)).scalars())


def import_messages(
    tx: Tx, user_id: str, imported: Sequence[ImportedMessage], contents: Contents, *, now: datetime
) -> int:
    """Store those of the messages that do not exist, in order; returns the count.

    A message keeps its sequence number if the agent has none that is equal or higher, else it gets the next one:
    readers have passed the numbers before. Raises InvalidValue. Raises AgentNotFound. Raises AddressTaken: a
    message id of another user. Raises Unavailable: chunks were deleted meanwhile.
    """
    fresh = _not_there(tx, user_id, imported)
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


def _not_there(tx: Tx, user_id: str, imported: Sequence[ImportedMessage]) -> list[ImportedMessage]:
    owners = owners_of_messages(tx, [each.message.id for each in imported])
    if any(owner != user_id for owner in owners.values()):
        raise AddressTaken("a message with this id belongs to another user")
    return [each for each in imported if each.message.id not in owners]


def _rows(tx: Tx, user_id: str, fresh: Sequence[ImportedMessage]) -> list[Row]:
    """The numbered rows; their agents stay locked, and their counters are advanced."""
    addresses = sorted({each.message.agent for each in fresh})
    held = select(agents.c.address, agents.c.last_seq, agents.c.mode).where(agents.c.user_id == user_id)
    held = held.where(agents.c.address.in_(addresses)).order_by(agents.c.address)
    boxes = {row.address: row for row in tx.execute(held.with_for_update(key_share=True))}
    last = {address: box.last_seq for address, box in boxes.items()}
    rows = []
    for each in fresh:
        agent = each.message.agent
        if agent not in boxes:
            raise AgentNotFound(f"{agent} is not an agent of this user")
        last[agent] = max(last[agent] + 1, each.message.seq)
        rows.append(_row(each, seq=last[agent], polls=boxes[agent].mode == "poll"))
    for address in addresses:
        tx.execute(update(agents).where(agents.c.address == address).values(last_seq=last[address]))
        tx.wake(INBOX + address)
    return rows


def _row(each: ImportedMessage, *, seq: int, polls: bool) -> Row:
    if not 0 < each.message.seq <= MAX_SEQ:
        raise InvalidValue(f"a message's seq must be from 1 to {MAX_SEQ}")
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
