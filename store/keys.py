"""API keys: only their hash is kept."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, or_, select, update

from store.errors import KeyNotFound
from store.ids import new_key_id
from store.records import ApiKey, User
from store.schema import api_keys, users
from store.transaction import Tx

TOUCH_EVERY: Final = timedelta(minutes=1)

_KEY_COLUMNS: Final = [column for column in api_keys.c if column.name != "key_hash"]


def create_api_key(tx: Tx, user_id: str, *, key_hash: str, prefix: str, name: str, now: datetime) -> ApiKey:
    """Keep a key by its hash; the plaintext never comes here."""
    values: dict[str, Any] = {"id": new_key_id(), "user_id": user_id, "name": name, "prefix": prefix, "created_at": now}
    tx.execute(insert(api_keys), {**values, "key_hash": key_hash})
    return ApiKey(**values, last_used_at=None)


def list_api_keys(tx: Tx, user_id: str) -> list[ApiKey]:
    """A user's keys, oldest first."""
    query = select(*_KEY_COLUMNS).where(api_keys.c.user_id == user_id).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_key(row) for row in tx.execute(query)]


def delete_api_key(tx: Tx, user_id: str, key_id: str) -> None:
    """Revoke a key of this user, at once. Raises KeyNotFound."""
    gone = tx.execute(delete(api_keys).where(api_keys.c.id == key_id, api_keys.c.user_id == user_id))
    if gone.rowcount == 0:
        raise KeyNotFound


def get_user_by_api_key(tx: Tx, key_hash: str) -> tuple[User, ApiKey] | None:
    """Who holds the key with this hash, by one indexed read; None for a revoked or unknown one."""
    query = select(*[column.label(f"user_{column.name}") for column in users.c], *_KEY_COLUMNS).join_from(
        api_keys, users
    )
    row = tx.execute(query.where(api_keys.c.key_hash == key_hash)).first()
    if row is None:
        return None
    found = row._mapping
    user = User(**{column.name: found[f"user_{column.name}"] for column in users.c})
    return user, ApiKey(**{column.name: found[column.name] for column in _KEY_COLUMNS})


def touch_api_key(tx: Tx, key_id: str, *, now: datetime) -> None:
    """Remember that the key was used; written at most once a minute, whatever the number of requests."""
    stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= now - TOUCH_EVERY)
    tx.execute(update(api_keys).where(api_keys.c.id == key_id, stale).values(last_used_at=now))


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**row._mapping)
