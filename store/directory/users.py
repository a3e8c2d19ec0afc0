"""Users: the people who own domains and agents.

A user is created by the operator, with an email only, or by OIDC, with a subject that the provider never reassigns.
A user created by the operator has a local subject until the first OIDC sign-in with the same email replaces it,
so that one person is one user.
"""

from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from store.errors import EmailTaken, InvalidValue, UserNotFound
from store.ids import new_user_id
from store.records.mail import User
from store.schema.inbound import users
from store.transaction import Tx

MAX_TEXT: Final = 320  # characters of an email, and of a name
MAX_SUBJECT: Final = 255  # OpenID Connect Core 1.0 §2
LOCAL: Final = "local:"  # prefix of the subject of a user who never signed in by OIDC

_COLUMNS: Final = [users.c[field.name] for field in fields(User)]


def bootstrap_user(tx: Tx, email: str, *, name: str | None = None, now: datetime) -> User:
    """The user with this *email*, created if missing. Raises InvalidValue: no address."""
    folded = _email(email)
    known = _first(tx, users.c.email == folded)
    return known or _create(tx, None, folded, name=name, now=now)


def create_or_get_user(tx: Tx, subject: str, email: str, *, name: str | None = None, now: datetime) -> User:
    """The user of an OIDC sign-in, created if missing; updates email and name.

    *email* must be verified by the provider: it selects the user of that email who has never signed in. A *name* of
    None leaves the name unchanged. Raises InvalidValue. Raises EmailTaken: a new subject has the email of a user who
    signs in with another subject.
    """
    _check_subject(subject)
    folded = _email(email)
    known = _first(tx, users.c.subject == subject)
    if known is not None:
        return _keep_current(tx, known, _free_email(tx, known, folded), name=name, now=now)
    same_email = _first(tx, users.c.email == folded, for_update=True)
    if same_email is None:
        return _create(tx, subject, folded, name=name, now=now)
    if same_email.subject not in {subject, LOCAL + same_email.id}:
        raise EmailTaken(f"{folded} belongs to a user who signs in with another subject")
    return _keep_current(tx, same_email, folded, subject=subject, name=name, now=now)


def get_user_by_id(tx: Tx, user_id: str) -> User:
    """The user with this id. Raises UserNotFound."""
    found = _first(tx, users.c.id == user_id)
    if found is None:
        raise UserNotFound
    return found


def get_user_by_email(tx: Tx, email: str) -> User:
    """The user with this email. Raises UserNotFound."""
    found = _first(tx, users.c.email == email.strip().lower())
    if found is None:
        raise UserNotFound(f"no user with the email {email}")
    return found


def list_users(tx: Tx) -> list[User]:
    """All users, oldest first."""
    return [_user(row) for row in tx.execute(select(*_COLUMNS).order_by(users.c.created_at, users.c.id))]


def has_users(tx: Tx) -> bool:
    """Whether any user exists."""
    return tx.execute(select(users.c.id).limit(1)).first() is not None


def _create(tx: Tx, subject: str | None, email: str, *, name: str | None, now: datetime) -> User:
    user_id = new_user_id()
    made = User(id=user_id, email=email, name=_shown(name or ""), subject=subject or LOCAL + user_id, created_at=now)
    tx.execute(insert(users), {field.name: getattr(made, field.name) for field in fields(User)})
    return made


def _keep_current(tx: Tx, user: User, email: str, *, name: str | None, now: datetime, subject: str = "") -> User:
    """*user* with the provider's current values; writes only when a value has changed."""
    current = {"email": email, "subject": subject or user.subject, "name": user.name if name is None else _shown(name)}
    if all(value == getattr(user, key) for key, value in current.items()):
        return user
    tx.execute(update(users).where(users.c.id == user.id).values(**current, updated_at=now))
    return replace(user, **current, updated_at=now)  # type: ignore[arg-type]


def _free_email(tx: Tx, user: User, email: str) -> str:
    """*email* if no other user has it, else this user's present email.

    The subject has proved who the user is. Refusing the sign-in because another user has the address would lock the
    user out of their own data, and moving the address would give away what it leads to.
    """
    if email == user.email or _first(tx, users.c.email == email) is None:
        return email
    return user.email


def _first(tx: Tx, condition: Any, *, for_update: bool = False) -> User | None:
    query = select(*_COLUMNS).where(condition)
    row = tx.execute(query.with_for_update() if for_update else query).first()
    return None if row is None else _user(row)


def _email(email: str) -> str:
    folded = email.strip().lower()
    local, at, domain = folded.rpartition("@")
    if not (local and at and domain) or len(folded) > MAX_TEXT or not folded.isprintable() or " " in folded:
        raise InvalidValue(f"not an email address: {email!r}")
    return folded


def _check_subject(subject: str) -> None:
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise InvalidValue(f"an OIDC subject has 1 to {MAX_SUBJECT} printable characters")
    if subject.startswith(LOCAL):  # it would select the user with that id without a sign-in
        raise InvalidValue(f"an OIDC subject must not start with {LOCAL}")


def _shown(name: str) -> str:
    """*name* as it is stored: only displayed, so unprintable characters are dropped."""
    return "".join(sign for sign in name if sign.isprintable())[:MAX_TEXT]


def _user(row: Row[Any]) -> User:
    return User(**row._mapping)
