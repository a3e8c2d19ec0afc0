"""Count what an agent or a user has, for a question before it is removed."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, FromClause, and_, func, select

from store.schema.inbound import agents, api_keys, deliveries, domain_claims, messages
from store.transaction import Tx

_HELD: Final = and_(messages.c.direction == "outbound", messages.c.status == "pending_approval")


def count_agent_rows(tx: Tx, address: str) -> dict[str, int]:
    """Counts of an agent's messages, messages that wait for approval, and pending deliveries."""
    return _mail(tx, [address])


def count_user_rows(tx: Tx, user_id: str) -> dict[str, int]:
    """Counts of a user's domains, keys and agents, and of their messages."""
    addresses = list(tx.execute(select(agents.c.address).where(agents.c.user_id == user_id)).scalars())
    return {
        "domains": _count(tx, domain_claims, domain_claims.c.user_id == user_id),
        "keys": _count(tx, api_keys, api_keys.c.user_id == user_id),
        "agents": len(addresses),
        **_mail(tx, addresses),
    }


def _mail(tx: Tx, addresses: Sequence[str]) -> dict[str, int]:
    return {
        "messages": _count(tx, messages, messages.c.agent.in_(addresses)),
        "messages waiting for approval": _count(tx, messages, messages.c.agent.in_(addresses), _HELD),
        "pending deliveries": _count(
            tx, deliveries, deliveries.c.agent.in_(addresses), deliveries.c.status == "pending"
        ),
    }


def _count(tx: Tx, table: FromClause, *conditions: ColumnElement[bool]) -> int:
    return int(tx.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())
