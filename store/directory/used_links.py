"""Single-use links: exactly one caller gets True for a link."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from store.schema.outbound import used_links
from store.transaction import Tx


def _use(insert: postgresql.Insert | sqlite.Insert) -> Any:
    return insert.on_conflict_do_nothing(index_elements=[used_links.c.hash]).returning(used_links.c.hash)


_USE: Final = {"sqlite": _use(sqlite.insert(used_links)), "postgresql": _use(postgresql.insert(used_links))}
_OVER: Final = (
    select(used_links.c.hash)
    .where(used_links.c.expires_at <= bindparam("now"))
    .order_by(used_links.c.expires_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("over")
)
_FORGET: Final = delete(used_links).where(used_links.c.hash.in_(select(_OVER.c.hash))).returning(used_links.c.hash)


def use_link(tx: Tx, link_hash: str, user_id: str, expires_at: datetime) -> bool:
    """Whether this is the first use of the link with this hash (hex SHA-256).

    The use is remembered until *expires_at*. Raises InvalidValue: no such user, or not such a hash.
    """
    used = {"hash": link_hash, "user_id": user_id, "expires_at": expires_at}
    return tx.execute(_USE[tx.connection.dialect.name], used).first() is not None


def delete_used_links(tx: Tx, *, now: datetime, limit: int = 500) -> int:
    """Delete the records of at most *limit* expired links; returns the count."""
    return len(tx.execute(_FORGET, {"now": now, "most": limit}).all())
