"""The people who own things.

Somebody comes by the operator's word (an email and nothing more) or by OIDC (a subject that the
provider never gives to another). Whoever came by the first way has a subject of our own making,
which the first sign-in with the same email replaces: one person is one user.
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
LOCAL: Final = "local:"  # begins the subject of whoever never signed in by OIDC

_COLUMNS: Final = [users.c[field.name] for field in fields(User)]


def bootstrap_user(tx: Tx, email: str, *, name: str | None = None, now: datetime) -> User:
    """The user with this *email*, made if there is none. Raises InvalidValue for what is no address."""
    folded = _email(email)
    known = _first(tx, users.c.email == folded)
    return known or _create(tx, None, folded, name=name, now=now)


def create_or_get_user(tx: Tx, subject: str, email: str, *, name: str | None = None, now: datetime) -> User:
    """Whoever signed in by OIDC as *subject*, made if there is nobody yet; email and name are kept current.

    *email* must be one that the provider has verified: it leads to the user of that email who never
    signed in before. A *name* of None says nothing about the name. Raises InvalidValue; EmailTaken when
    somebody new brings an email whose user signs in as another.
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
        raise EmailTaken(f"{folded} belongs to somebody who signs in as another")
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
    """Everybody, oldest first."""
    return [_user(row) for row in tx.execute(select(*_COLUMNS).order_by(users.c.created_at, users.c.id))]


def _create(tx: Tx, subject: str | None, email: str, *, name: str | None, now: datetime) -> User:
    user_id = new_user_id()
    made = User(id=user_id, email=email, name=_shown(name or ""), subject=subject or LOCAL + user_id, created_at=now)
    tx.execute(insert(users), {field.name: getattr(made, field.name) for field in fields(User)})
    return made


def _keep_current(tx: Tx, user: User, email: str, *, name: str | None, now: datetime, subject: str = "") -> User:
    """*user* with what the provider tells now; nothing is written when nothing is new."""
    told = {"email": email, "subject": subject or user.subject, "name": user.name if name is None else _shown(name)}
    if all(value == getattr(user, key) for key, value in told.items()):
        return user
    tx.execute(update(users).where(users.c.id == user.id).values(**told, updated_at=now))
    return replace(user, **told, updated_at=now)  # type: ignore[arg-type]


def _free_email(tx: Tx, user: User, email: str) -> str:
    """*email* where it can be this user's, else the one they have.

    They have proved who they are by their subject. To refuse them over an address that somebody else holds
    would lock them out of what they own, and to take it from its holder would hand over what it leads to.
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
        raise InvalidValue(f"a subject has 1 to {MAX_SUBJECT} printable characters")
    if subject.startswith(LOCAL):  # would be whoever has that id, without a sign-in
        raise InvalidValue(f"a subject of OIDC does not start with {LOCAL}")


def _shown(name: str) -> str:
    """*name* as it is kept: it is for eyes alone, so what cannot be shown is left out and never refused."""
    return "".join(sign for sign in name if sign.isprintable())[:MAX_TEXT]


def _user(row: Row[Any]) -> User:
    return User(**row._mapping)
