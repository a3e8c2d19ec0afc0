"""Counts for send caps: recent messages and first-time recipients of an agent, or of all agents of a user.

A caller that counts and then inserts in one transaction locks the agent's row first (``lock_agent``), so that two
concurrent messages cannot both take the last place under a cap.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, TextClause, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import AgentNotFound
from store.names import normalise_or_none
from store.schema.inbound import WRITTEN, agents, messages, users
from store.schema.outbound import known_recipients
from store.transaction import Tx

_HOLD: Final = select(agents.c.address).where(agents.c.address == bindparam("address")).with_for_update(key_share=True)


def _counted(time: Column[datetime], *conditions: ColumnElement[bool] | TextClause) -> Any:
    """A query that counts an agent's rows newer than a time, up to a limit.

    Without the limit, each message of an agent over its cap or without one would count all messages before it.
    """
    mine = select(time).where(time.table.c.agent == bindparam("writer"), time > bindparam("since"), *conditions)
    # ORDER BY: without it PostgreSQL scans the whole table for so few rows.
    return select(func.count()).select_from(mine.order_by(time).limit(bindparam("most")).subquery())


_WRITTEN: Final = _counted(messages.c.received_at, WRITTEN)
_WRITTEN_THERE: Final = _counted(
    messages.c.received_at, WRITTEN, messages.c.conversation_id == bindparam("conversation")
)
_NEW: Final = _counted(known_recipients.c.first_at)


def _counted_of_user(time: Column[datetime], *conditions: ColumnElement[bool] | TextClause) -> Any:
    """The same over all agents of a user; one index entry is looked up for each agent."""
    owned = time.table.join(agents, agents.c.address == time.table.c.agent)
    theirs = select(time).select_from(owned).where(agents.c.user_id == bindparam("writer"), time > bindparam("since"))
    return select(func.count()).select_from(theirs.where(*conditions).limit(bindparam("most")).subquery())


_USER_WRITTEN: Final = _counted_of_user(messages.c.received_at, WRITTEN)
_USER_NEW: Final = _counted_of_user(known_recipients.c.first_at)
_HOLD_USER: Final = select(users.c.id).where(users.c.id == bindparam("user")).with_for_update(key_share=True)
_KNOWN: Final = select(known_recipients.c.address).where(
    known_recipients.c.agent == bindparam("writer"),
    known_recipients.c.address.in_(bindparam("addresses", expanding=True)),
)
_NOTE: Final[dict[str, Any]] = {
    "sqlite": sqlite.insert(known_recipients).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(known_recipients).on_conflict_do_nothing(),
}


def lock_agent(tx: Tx, agent: str) -> None:
    """Lock an agent's row until the transaction ends. Raises AgentNotFound."""
    if tx.execute(_HOLD, {"address": agent}).first() is None:
        raise AgentNotFound


def lock_user(tx: Tx, user_id: str) -> None:
    """Lock a user's row until the transaction ends, before the row of an agent: caps of a user are exact."""
    tx.execute(_HOLD_USER, {"user": user_id})


def count_user_sent_since(tx: Tx, user_id: str, *, since: datetime, most: int) -> int:
    """The number of messages that all agents of a user have written since *since*, counted up to *most*."""
    return _count(tx, _USER_WRITTEN, user_id, since, most)


def count_user_new_recipients(tx: Tx, user_id: str, *, since: datetime, most: int) -> int:
    """The number of recipients that agents of a user first mailed since *since*, counted up to *most*."""
    return _count(tx, _USER_NEW, user_id, since, most)


def count_sent_since(tx: Tx, agent: str, *, since: datetime, most: int, conversation_id: str | None = None) -> int:
    """The number of messages an agent has written since *since*, counted up to *most*.

    With *conversation_id*, of that conversation only.
    """
    if conversation_id is None:
        return _count(tx, _WRITTEN, agent, since, most)
    return _count(tx, _WRITTEN_THERE, agent, since, most, conversation=conversation_id)


def count_new_recipients(tx: Tx, agent: str, *, since: datetime, most: int) -> int:
    """The number of recipients first mailed since *since*, counted up to *most*."""
    return _count(tx, _NEW, agent, since, most)


def find_new_recipients(tx: Tx, agent: str, addresses: Sequence[str]) -> list[str]:
    """Those of *addresses*, normalised, that the agent has never mailed."""
    wanted = _normalised(addresses)
    known = set(tx.execute(_KNOWN, {"writer": agent, "addresses": wanted}).scalars())
    return [address for address in wanted if address not in known]


def record_recipients(tx: Tx, agent: str, addresses: Sequence[str], *, now: datetime) -> None:
    """Record the recipients an agent mails; known ones keep their first time."""
    rows = [{"agent": agent, "address": address, "first_at": now} for address in _normalised(addresses)]
    if rows:
        tx.execute(_NOTE[tx.connection.dialect.name], rows)


def _normalised(addresses: Sequence[str]) -> list[str]:
    """Each address once, in stored form and order; what is not an address is dropped."""
    return sorted({known for address in addresses if (known := normalise_or_none(address)) is not None})


def _count(tx: Tx, counted: Any, agent: str, since: datetime, most: int, **more: str) -> int:
    if not most:
        return 0
    return int(tx.execute(counted, {"writer": agent, "since": since, "most": most, **more}).scalar_one())
