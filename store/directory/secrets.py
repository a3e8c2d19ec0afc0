"""All signing secrets of a store, for what concerns its master key."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import bindparam, select, update

from store.records.mail import AgentSecret
from store.schema.inbound import agent_secrets
from store.transaction import Tx

_PAGE: Final = 500
_ANY: Final = select(agent_secrets).order_by(agent_secrets.c.key_id).limit(1)
_NEXT: Final = (
    select(agent_secrets)
    .where(agent_secrets.c.key_id > bindparam("behind"))
    .order_by(agent_secrets.c.key_id)
    .limit(_PAGE)
)
_RESEAL: Final = update(agent_secrets).where(agent_secrets.c.key_id == bindparam("of")).values(sealed=bindparam("blob"))


def find_any_secret(tx: Tx) -> AgentSecret | None:
    """One secret of the store, expired or not; None if it has none."""
    row = tx.execute(_ANY).first()
    return AgentSecret(**row._mapping) if row else None


def all_secrets(tx: Tx) -> Iterator[AgentSecret]:
    """Every secret of the store, expired ones too, in the order of their ids."""
    behind = ""
    while rows := tx.execute(_NEXT, {"behind": behind}).all():
        yield from (AgentSecret(**row._mapping) for row in rows)
        behind = rows[-1].key_id


def reseal_secret(tx: Tx, key_id: str, sealed: bytes) -> None:
    """Replace the encrypted form of one secret."""
    tx.execute(_RESEAL, {"of": key_id, "blob": sealed})
