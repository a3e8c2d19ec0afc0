"""Taking away everything a user owns, in one transaction.

What belongs to others stays as it is: their agents and claims on this user's domains, and bytes that
their messages share. Rows go a batch at a time, so that no number of messages needs more memory.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, select, union, update

from store.directory.domains import forget_if_unused
from store.errors import UserNotFound
from store.mail.body_gc import forget_bodies, forget_chunks
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
from store.transaction import Tx
from store.wake import INBOX

BATCH: Final = 1000  # messages taken away at a time
CHUNKS: Final = 100  # of a long content, too

# By message_id, what belongs to another of them before it; and by user_id.
_BESIDE_MESSAGES: Final = (send_attempts, feedback, notifications, outbound_attachments, outbound)
_OF_USER: Final = (
    *(usage_events, usage_days, user_sessions, idempotency_keys, api_keys),
    *(suppressions, notifications, used_links),
    *(domain_records, domain_claims),
)
_TABLES: Final = (
    *(users, domains, agents, agent_secrets, messages, deliveries, delivery_attempts, bodies, body_chunks),
    *(*_BESIDE_MESSAGES, *_OF_USER, known_recipients),
)


def delete_user_data(tx: Tx, user_id: str) -> dict[str, int]:
    """Take away a user with everything that is theirs; how many rows of each table went.

    A domain of theirs on which others have an agent or a claim stays and is nobody's: it takes mail again when
    one of them proves it. It is counted too. Raises UserNotFound.
    """
    gone = Counter({table.name: 0 for table in _TABLES})
    addresses = _hold(tx, user_id)
    names = _domain_names(tx, user_id)
    for address in addresses:
        _delete_mails(tx, address, gone)
        tx.wake(INBOX + address)  # whoever waits for its mail need wait no longer
    for table in (agent_secrets, known_recipients):
        _delete(tx, table, table.c.agent.in_(_addresses(user_id)), gone)
    for table in _OF_USER:
        _delete(tx, table, table.c.user_id == user_id, gone)
    _delete(tx, agents, agents.c.user_id == user_id, gone)
    for name in names:
        gone[domains.name] += _give_up(tx, user_id, name)
    _delete(tx, users, users.c.id == user_id, gone)
    return {str(table): count for table, count in gone.items()}  # SQLAlchemy's names are strings of a kind of their own


def _hold(tx: Tx, user_id: str) -> list[str]:
    """Lock the user and all agents, whose addresses are answered. Raises UserNotFound.

    Agents first, as a mail does that arrives: whoever locked the user first would wait for that mail, and the
    mail for the user.
    """
    held = select(agents.c.address).where(agents.c.user_id == user_id).order_by(agents.c.address).with_for_update()
    tx.execute(held).all()
    if tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update()).first() is None:
        raise UserNotFound
    return list(tx.execute(held).scalars())  # no other can be made from now on


def _delete_mails(tx: Tx, address: str, gone: Counter[str]) -> None:
    """All messages and deliveries of an agent, and the bytes that nobody else has."""
    for batch in _batches(tx, address):
        ids = select(messages.c.id).where(batch)
        contents = select(messages.c.raw_sha256).where(batch, messages.c.raw_sha256.is_not(None)).distinct()
        hashes = list(tx.execute(contents).scalars())
        _delete_deliveries(tx, deliveries.c.message_id.in_(ids), gone)
        for table in _BESIDE_MESSAGES:
            _delete(tx, table, table.c.message_id.in_(ids), gone)
        _delete(tx, messages, batch, gone)
        _forget(tx, hashes, gone)
    _delete_deliveries(tx, deliveries.c.agent == address, gone)  # of events that were about no message


def _batches(tx: Tx, address: str) -> Iterator[ColumnElement[bool]]:
    """Conditions that part an agent's messages, oldest first; each is asked for when the one before has gone."""
    after = 0  # or each batch would be looked for through what is left of those before
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
    """Every domain that the user has anything to do with, but for the shared one."""
    claimed = select(domain_claims.c.domain).where(domain_claims.c.user_id == user_id)
    owned = select(domains.c.name).where(domains.c.user_id == user_id)
    lived_on = select(agents.c.domain).join_from(agents, domains).where(agents.c.user_id == user_id)
    return sorted(tx.execute(union(claimed, owned, lived_on.where(domains.c.is_shared.is_(False)))).scalars())


def _give_up(tx: Tx, user_id: str, name: str) -> int:
    """Leave the domain to whoever else has claimed it; 1 if it was this user's, or has gone."""
    mine = update(domains).where(domains.c.name == name, domains.c.user_id == user_id)
    disowned = tx.execute(mine.values(user_id=None, verified_at=None)).rowcount
    went = forget_if_unused(tx, name)
    return int(went or disowned > 0)


def _forget(tx: Tx, contents: Sequence[str], gone: Counter[str]) -> None:
    """Take away those of *contents* that no message points to any more."""
    for body in forget_bodies(tx, contents):
        gone[bodies.name] += 1
        while body.is_long and (count := forget_chunks(tx, body.sha256, until=body.created_at, limit=CHUNKS)):
            gone[body_chunks.name] += count
