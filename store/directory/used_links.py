"""Single-use and revoked links, and the epoch that voids a user's unused sign-in links.

The record of a link, by hash, means that it works no more: it was used, or it came back in a mail.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import UserNotFound
from store.oldest import among_oldest
from store.schema.inbound import users
from store.schema.outbound import used_links
from store.transaction import Tx


def _use(insert: postgresql.Insert | sqlite.Insert) -> Any:
    return insert.on_conflict_do_nothing(index_elements=[used_links.c.hash]).returning(used_links.c.hash)


_USE: Final = {"sqlite": _use(sqlite.insert(used_links)), "postgresql": _use(postgresql.insert(used_links))}
_FORGET: Final = (
    delete(used_links)
    .where(among_oldest([used_links.c.hash], used_links.c.expires_at, "now"))
    .returning(used_links.c.hash)
)


def use_link(tx: Tx, link_hash: str, user_id: str, expires_at: datetime) -> bool:
    """Whether this is the first use of the link with this hash (hex SHA-256).

    The use is remembered until *expires_at*. Raises InvalidValue: no such user, or not such a hash.
    """
    used = {"hash": link_hash, "user_id": user_id, "expires_at": expires_at}
    return tx.execute(_USE[tx.connection.dialect.name], used).first() is not None


def is_link_used(tx: Tx, link_hash: str) -> bool:
    """Whether the link with this hash was used or revoked."""
    return tx.execute(select(used_links.c.hash).where(used_links.c.hash == link_hash)).first() is not None


def revoke_link(tx: Tx, link_hash: str, user_id: str, expires_at: datetime) -> bool:
    """Make the link with this hash unusable until it expires; whether it was usable and its user exists."""
    if tx.execute(select(users.c.id).where(users.c.id == user_id)).first() is None:
        return False
    return use_link(tx, link_hash, user_id, expires_at)


def sign_in_epoch(tx: Tx, user_id: str) -> int:
    """The epoch that a sign-in link made now carries. Raises UserNotFound."""
    found: int | None = tx.execute(select(users.c.sign_in_epoch).where(users.c.id == user_id)).scalar()
    if found is None:
        raise UserNotFound
    return found


def end_sign_in_epoch(tx: Tx, user_id: str, epoch: int) -> bool:
    """Void all sign-in links of *epoch*; whether it was the user's current one. Exactly one caller gets True."""
    current = update(users).where(users.c.id == user_id, users.c.sign_in_epoch == epoch)
    return bool(tx.execute(current.values(sign_in_epoch=epoch + 1)).rowcount)


def delete_used_links(tx: Tx, *, now: datetime, limit: int = 500) -> int:
    """Delete the records of at most *limit* expired links; returns the count."""
    return len(tx.execute(_FORGET, {"now": now, "most": limit}).all())
