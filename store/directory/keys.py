"""API keys, stored as hashes."""

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from sqlalchemy import bindparam, delete, insert, or_, select, update

from store.database.constant import Constant
from store.directory.agents import get_agent_by_id
from store.errors import InvalidValue, KeyNotFound
from store.ids import new_key_id
from store.mail.messages import MAX_PAGE
from store.names import is_text
from store.records.mail import ApiKey, Page, Scope, User
from store.schema.inbound import api_keys, users
from store.transaction import Tx
from store.wake import KEYS

TOUCH_EVERY: Final = timedelta(minutes=1)
MAX_NAME: Final = 200  # characters, as in the table's CHECK
ALL_SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_ID: Final = re.compile(r"key_[0-9a-z]{29}", re.ASCII)

_KEY_COLUMNS: Final = [column for column in api_keys.c if column.name != "key_hash"]
_HOLDER_COLUMNS: Final = [users.c[field.name].label(f"holder_{field.name}") for field in fields(User)]
_HOLDER: Final = Constant(
    select(*_HOLDER_COLUMNS, *_KEY_COLUMNS).join_from(api_keys, users).where(api_keys.c.key_hash == bindparam("hash"))
)


def create_api_key(
    tx: Tx,
    user_id: str,
    *,
    key_hash: str,
    prefix: str,
    name: str,
    now: datetime,
    agent: str | None = None,
    scopes: Collection[str] = ALL_SCOPES,
) -> ApiKey:
    """Store a key by its hash; the plaintext is never passed in.

    With *agent* the key is limited to that agent. Raises InvalidValue: bad name or scopes. Raises AgentNotFound:
    *agent* is not this user's.
    """
    values: dict[str, Any] = {
        "id": new_key_id(),
        "user_id": user_id,
        "name": _named(name),
        "prefix": prefix,
        "created_at": now,
        "agent": None if agent is None else get_agent_by_id(tx, user_id, agent).address,
        "scopes": _canonical(scopes),
    }
    tx.execute(insert(api_keys), {**values, "key_hash": key_hash})
    return _key({**values, "last_used_at": None})


def list_api_keys(tx: Tx, user_id: str) -> list[ApiKey]:
    """A user's keys, oldest first."""
    query = select(*_KEY_COLUMNS).where(api_keys.c.user_id == user_id).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_key(row) for row in tx.execute(query).mappings()]


def page_api_keys(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[ApiKey]:
    """A page of a user's keys, oldest first, behind *cursor*.

    Raises InvalidValue: malformed cursor.
    """
    query = select(*_KEY_COLUMNS).where(api_keys.c.user_id == user_id).order_by(api_keys.c.id)
    if cursor is not None:
        if not _ID.fullmatch(cursor):
            raise InvalidValue("not a cursor of this list: pass next_cursor of the page before, unchanged")
        query = query.where(api_keys.c.id > cursor)
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).mappings().all()
    items = [_key(row) for row in rows[:count]]
    return Page(items, items[-1].id if len(rows) > count else None)


def get_api_key(tx: Tx, user_id: str, key_id: str) -> ApiKey:
    """A key of this user. Raises KeyNotFound."""
    query = select(*_KEY_COLUMNS).where(api_keys.c.id == key_id, api_keys.c.user_id == user_id)
    found = tx.execute(query).mappings().first()
    if found is None:
        raise KeyNotFound
    return _key(found)


def delete_api_key(tx: Tx, user_id: str, key_id: str) -> None:
    """Revoke a key of this user, effective at once. Raises KeyNotFound."""
    gone = tx.execute(delete(api_keys).where(api_keys.c.id == key_id, api_keys.c.user_id == user_id))
    if gone.rowcount == 0:
        raise KeyNotFound
    tx.wake(KEYS + key_id)


def get_user_by_api_key(tx: Tx, key_hash: str) -> tuple[User, ApiKey] | None:
    """The user and the key with this hash; None for a revoked or unknown one.

    One indexed read.
    """
    rows = tx.fetch(_HOLDER, {"hash": key_hash})
    if not rows:
        return None
    found = rows[0]._asdict()
    user = User(**{field.name: found.pop(f"holder_{field.name}") for field in fields(User)})
    return user, _key(found)


def touch_api_key(tx: Tx, key_id: str, *, now: datetime) -> None:
    """Record the time of use, written at most once per TOUCH_EVERY."""
    stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= now - TOUCH_EVERY)
    tx.execute(update(api_keys).where(api_keys.c.id == key_id, stale).values(last_used_at=now))


def _key(found: Mapping[str, Any]) -> ApiKey:
    return ApiKey(**{**found, "scopes": tuple(found["scopes"].split(","))})


def _named(name: str) -> str:
    if not is_text(name, most=MAX_NAME):
        raise InvalidValue(f"a key's name has at most {MAX_NAME} printable characters")
    return name


def _canonical(scopes: Collection[str]) -> str:
    """*scopes* as the table stores them: in the order of Scope, without duplicates."""
    if isinstance(scopes, str) or not scopes or not set(scopes) <= set(ALL_SCOPES):
        raise InvalidValue(f"scopes must be one or more of {', '.join(ALL_SCOPES)}")
    return ",".join(scope for scope in ALL_SCOPES if scope in scopes)
