"""Create, find and end sessions of the console. The browser has the token, the store its hash only."""

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
    """Create a session; return it and its token, which cannot be shown again. Raises InvalidValue: no such user."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return sessions.create_user_session(tx, user_id, token_hash=_hashed(token), now=now), token


def find_session(tx: Tx, token: str, *, now: datetime) -> tuple[User, Session] | None:
    """The user and session of *token*; None where it is unknown, expired or no token."""
    return sessions.get_user_session(tx, _hashed(token), now=now) if _FORM.fullmatch(token) else None


def end_session(tx: Tx, token: str) -> None:
    """End the session of *token*; a token without a session ends none."""
    if _FORM.fullmatch(token):
        sessions.delete_user_session(tx, _hashed(token))


def is_of_token(session_hash: str, token: str) -> bool:
    """Whether a session's hash is that of *token*."""
    return session_hash == _hashed(token)


def _hashed(token: str) -> str:
    return sha256(token.encode("ascii")).hexdigest()
