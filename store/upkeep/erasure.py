"""Delete a user and all data the user owns, in one transaction.

Other users' data stays: their agents and claims on this user's domains, and bytes that their messages share.
Rows are deleted in batches, so memory use does not grow with the number of messages.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, select, union, update

from store.database.pg_limits import allow_idle
from store.directory.domains import forget_if_unused
from store.directory.hosted import forget_domains
from store.errors import UserNotFound
from store.mail.body_gc import forget_bodies, forget_chunks
from store.schema.digests import received_digests
from store.schema.inbound import (
    agent_secrets,
    agents,
    api_keys,
    bodies,
    body_chunks,
    deliveries,
    delivery_attempts,
    domain_claims,
    domain_records,
    domains,
    idempotency_keys,
    messages,
    usage_days,
    usage_events,
    user_sessions,
    users,
)
from store.schema.outbound import (
    feedback,
    known_recipients,
    notifications,
    outbound,
    outbound_attachments,
    send_attempts,
    suppressions,
    used_links,
)
from store.schema.threads import awaited_ids
from store.transaction import Tx
from store.wake import INBOX

BATCH: Final = 1000  # messages per batch
CHUNKS: Final = 100  # chunks of a long content per statement

# Deleted by message_id, dependent tables first; and by user_id.
_BESIDE_MESSAGES: Final = (received_digests, send_attempts, feedback, notifications, outbound_attachments, outbound)
_OF_USER: Final = (
    *(usage_events, usage_days, user_sessions, idempotency_keys, api_keys),
    *(suppressions, notifications, used_links),
    *(domain_records, domain_claims),
)
_TABLES: Final = (
    *(users, domains, agents, agent_secrets, messages, deliveries, delivery_attempts, bodies, body_chunks),
    *(*_BESIDE_MESSAGES, *_OF_USER, known_recipients, awaited_ids),
)


def delete_user_data(tx: Tx, user_id: str) -> dict[str, int]:
    """Delete a user and all the user's data; returns deleted rows by table name.

    A domain of the user on which others have an agent or a claim stays without an owner, until one of them verifies
    it; it is counted too. Raises UserNotFound.
    """
    allow_idle(tx.connection)  # the rows of a large account take longer than a transaction may
    gone = Counter({table.name: 0 for table in _TABLES})
    addresses = _lock(tx, user_id)
    names = _domain_names(tx, user_id)
    for address in addresses:
        _delete_mails(tx, address, gone)
        tx.wake(INBOX + address)  # waiting readers return: the agent is gone
    for table in (agent_secrets, known_recipients, awaited_ids):
        _delete(tx, table, table.c.agent.in_(_addresses(user_id)), gone)
    for table in _OF_USER:
        _delete(tx, table, table.c.user_id == user_id, gone)
    _delete(tx, agents, agents.c.user_id == user_id, gone)
    for name in names:
        gone[domains.name] += _give_up(tx, user_id, name)
    _delete(tx, users, users.c.id == user_id, gone)
    forget_domains(tx)
    return {str(table): count for table, count in gone.items()}  # SQLAlchemy's names are a subclass of str


def _lock(tx: Tx, user_id: str) -> list[str]:
    """Lock the user and all the user's agents; returns the agents' addresses.

    Agents first, as an arriving mail locks them: the reverse order would deadlock with a mail that has locked its
    agent and waits for the user. Raises UserNotFound.
    """
    held = select(agents.c.address).where(agents.c.user_id == user_id).order_by(agents.c.address).with_for_update()
    tx.execute(held).all()
    if tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update()).first() is None:
        raise UserNotFound
    return list(tx.execute(held).scalars())  # the locked user blocks the creation of further agents


def _delete_mails(tx: Tx, address: str, gone: Counter[str]) -> None:
    """Delete an agent's messages and deliveries, and bytes that no other message uses."""
    for batch in _batches(tx, address):
        ids = select(messages.c.id).where(batch)
        contents = select(messages.c.raw_sha256).where(batch, messages.c.raw_sha256.is_not(None)).distinct()
        hashes = list(tx.execute(contents).scalars())
        _delete_deliveries(tx, deliveries.c.message_id.in_(ids), gone)
        for table in _BESIDE_MESSAGES:
            _delete(tx, table, table.c.message_id.in_(ids), gone)
        _delete(tx, messages, batch, gone)
        _forget(tx, hashes, gone)
    _delete_deliveries(tx, deliveries.c.agent == address, gone)  # deliveries of events without a message


def _batches(tx: Tx, address: str) -> Iterator[ColumnElement[bool]]:
    """Conditions that split an agent's messages into batches, oldest first.

    Each is computed after the one before was deleted.
    """
    after = 0  # skips the index entries of batches deleted before
    while (last := tx.execute(_last_of_batch(address, after)).scalar()) is not None:
        yield and_(messages.c.agent == address, messages.c.seq > after, messages.c.seq <= last)
        after = last


def _last_of_batch(address: str, after: int) -> Select[Any]:
    ahead = select(messages.c.seq).where(messages.c.agent == address, messages.c.seq > after)
    return select(func.max(ahead.order_by(messages.c.seq).limit(BATCH).subquery().c.seq))


def _delete_deliveries(tx: Tx, condition: ColumnElement[bool], gone: Counter[str]) -> None:
    ids = select(deliveries.c.id).where(condition)
    _delete(tx, delivery_attempts, delivery_attempts.c.delivery_id.in_(ids), gone)
    _delete(tx, deliveries, condition, gone)


def _delete(tx: Tx, table: Table, condition: ColumnElement[bool], gone: Counter[str]) -> None:
    gone[table.name] += tx.execute(delete(table).where(condition)).rowcount


def _addresses(user_id: str) -> Select[Any]:
    return select(agents.c.address).where(agents.c.user_id == user_id)


def _domain_names(tx: Tx, user_id: str) -> list[str]:
    """The domains the user claims, owns or has agents on, except the shared one."""
    claimed = select(domain_claims.c.domain).where(domain_claims.c.user_id == user_id)
    owned = select(domains.c.name).where(domains.c.user_id == user_id)
    has_agents = select(agents.c.domain).join_from(agents, domains).where(agents.c.user_id == user_id)
    return sorted(tx.execute(union(claimed, owned, has_agents.where(domains.c.is_shared.is_(False)))).scalars())


def _give_up(tx: Tx, user_id: str, name: str) -> int:
    """Release the user's ownership; 1 if the user owned the domain or it was deleted."""
    mine = update(domains).where(domains.c.name == name, domains.c.user_id == user_id)
    disowned = tx.execute(mine.values(user_id=None, verified_at=None)).rowcount
    went = forget_if_unused(tx, name)
    return int(went or disowned > 0)


def _forget(tx: Tx, contents: Sequence[str], gone: Counter[str]) -> None:
    """Delete those of *contents* that no message refers to any more."""
    for body in forget_bodies(tx, contents):
        gone[bodies.name] += 1
        while body.is_long and (count := forget_chunks(tx, body.sha256, until=body.created_at, limit=CHUNKS)):
            gone[body_chunks.name] += count
