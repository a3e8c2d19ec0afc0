"""Console sessions: valid for seven days, stored by the hash of their token; listed and ended by user."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from store.oldest import among_oldest
from store.records.mail import User
from store.records.people import Session
from store.schema.inbound import user_sessions, users
from store.transaction import Tx

LIFETIME: Final = timedelta(days=7)
MAX_LISTED: Final = 200

_USER: Final = [users.c[field.name].label(f"user_{field.name}") for field in fields(User)]
_SESSION: Final = [user_sessions.c[field.name] for field in fields(Session) if field.name != "user_id"]
_OF_USER: Final = [user_sessions.c[field.name] for field in fields(Session)]
_SIGNED_IN: Final = (
    select(*_USER, *_SESSION)
    .join_from(user_sessions, users)
    .where(user_sessions.c.token_hash == bindparam("hash"), user_sessions.c.expires_at > bindparam("now"))
)
_END_OVER: Final = (
    delete(user_sessions)
    .where(among_oldest([user_sessions.c.token_hash], user_sessions.c.expires_at, "now"))
    .returning(user_sessions.c.user_id)
)


def create_user_session(tx: Tx, user_id: str, *, token_hash: str, now: datetime) -> Session:
    """Create a session under *token_hash* (hex SHA-256).

    Raises InvalidValue: no such user, or not such a hash.
    """
    made = Session(user_id=user_id, created_at=now, expires_at=now + LIFETIME)
    values = {field.name: getattr(made, field.name) for field in fields(Session)}
    tx.execute(insert(user_sessions), {**values, "token_hash": token_hash})
    return made


def get_user_session(tx: Tx, token_hash: str, *, now: datetime) -> tuple[User, Session] | None:
    """The user and the session of this token hash; None for an unknown or expired one.

    One indexed read.
    """
    row = tx.execute(_SIGNED_IN, {"hash": token_hash, "now": now}).first()
    if row is None:
        return None
    user = User(**{field.name: row._mapping[f"user_{field.name}"] for field in fields(User)})
    return user, Session(user_id=user.id, created_at=row.created_at, expires_at=row.expires_at)


def delete_user_session(tx: Tx, token_hash: str) -> None:
    """End a session; does nothing when it has ended."""
    tx.execute(delete(user_sessions).where(user_sessions.c.token_hash == token_hash))


def list_user_sessions(tx: Tx, user_id: str, *, now: datetime, limit: int = MAX_LISTED) -> list[Session]:
    """The unexpired sessions of a user, newest first; at most *limit*."""
    mine = select(*_OF_USER).where(user_sessions.c.user_id == user_id, user_sessions.c.expires_at > now)
    newest = mine.order_by(user_sessions.c.created_at.desc(), user_sessions.c.token_hash)
    return [Session(**row._mapping) for row in tx.execute(newest.limit(limit))]


def delete_user_sessions(tx: Tx, user_id: str) -> int:
    """End all sessions of a user and void the user's unused sign-in links; returns the count of sessions."""
    ended: int = tx.execute(delete(user_sessions).where(user_sessions.c.user_id == user_id)).rowcount
    tx.execute(update(users).where(users.c.id == user_id).values(sign_in_epoch=users.c.sign_in_epoch + 1))
    return ended


def delete_expired_user_sessions(tx: Tx, *, now: datetime, limit: int = 500) -> int:
    """Delete at most *limit* sessions, longest expired first; returns the count."""
    return len(tx.execute(_END_OVER, {"now": now, "most": limit}).all())
