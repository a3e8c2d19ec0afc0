"""The people who own things."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from store.errors import InvalidValue, UserNotFound
from store.ids import new_user_id
from store.records import User
from store.schema import users
from store.transaction import Tx

MAX_TEXT = 320


def bootstrap_user(tx: Tx, email: str, *, name: str | None = None, now: datetime) -> User:
    """The user with this *email*, made if there is none. Raises InvalidValue for what is no address."""
    folded = _email(email)
    row = tx.execute(select(users).where(users.c.email == folded)).first()
    if row is not None:
        return _user(row)
    user_id = new_user_id()
    values = {
        "id": user_id,
        "email": folded,
        "name": (name or "")[:MAX_TEXT],
        "subject": f"local:{user_id}",
        "created_at": now,
    }
    tx.execute(insert(users), values)
    return User(**values)  # type: ignore[arg-type]


def get_user_by_id(tx: Tx, user_id: str) -> User:
    """The user with this id. Raises UserNotFound."""
    row = tx.execute(select(users).where(users.c.id == user_id)).first()
    if row is None:
        raise UserNotFound
    return _user(row)


def get_user_by_email(tx: Tx, email: str) -> User:
    """The user with this email. Raises UserNotFound."""
    row = tx.execute(select(users).where(users.c.email == email.strip().lower())).first()
    if row is None:
        raise UserNotFound(f"no user with the email {email}")
    return _user(row)


def list_users(tx: Tx) -> list[User]:
    """Everybody, oldest first."""
    return [_user(row) for row in tx.execute(select(users).order_by(users.c.created_at, users.c.id))]


def _email(email: str) -> str:
    folded = email.strip().lower()
    local, at, domain = folded.rpartition("@")
    if not (local and at and domain) or len(folded) > MAX_TEXT or not folded.isprintable() or " " in folded:
        raise InvalidValue(f"not an email address: {email!r}")
    return folded


def _user(row: Any) -> User:
    return User(**row._mapping)
