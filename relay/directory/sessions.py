"""Sessions of people: a token made here, handed to the browser, and known afterwards only by its hash."""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final

from store.directory import sessions
from store.records.mail import User
from store.records.people import Session
from store.transaction import Tx

TOKEN_BYTES: Final = 32  # 256 bits of chance need no slow hash
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # base64url without padding


def create_session(tx: Tx, user_id: str, *, now: datetime) -> tuple[Session, str]:
    """A new session and its token, which nobody can show again. Raises InvalidValue for nobody."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return sessions.create_user_session(tx, user_id, token_hash=_hashed(token), now=now), token


def find_session(tx: Tx, token: str, *, now: datetime) -> tuple[User, Session] | None:
    """Who is signed in with *token*; None for one that is unknown, over, or no token at all."""
    return sessions.get_user_session(tx, _hashed(token), now=now) if _FORM.fullmatch(token) else None


def end_session(tx: Tx, token: str) -> None:
    """Sign out whoever has *token*; one that is no token signs nobody out."""
    if _FORM.fullmatch(token):
        sessions.delete_user_session(tx, _hashed(token))


def is_of_token(session_hash: str, token: str) -> bool:
    """Whether a session's hash is that of *token*."""
    return session_hash == _hashed(token)


def _hashed(token: str) -> str:
    return sha256(token.encode("ascii")).hexdigest()
