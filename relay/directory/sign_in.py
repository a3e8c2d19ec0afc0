"""Sign in by a link from a letter or the operator: valid for 15 minutes, once."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from relay.directory.sessions import create_session
from relay.errors import BadLink
from relay.signing.link import SignInLink, sign_in_token
from store.directory.used_links import use_link
from store.records.people import Session
from store.transaction import Tx

PATH: Final = "/login/"
LASTS: Final = timedelta(minutes=15)


def sign_in_link(user_id: str, *, base_url: str, key: bytes, nonce: str, now: datetime) -> str:
    """The address of the page on which this user signs in; *nonce* is random and never used twice."""
    link = SignInLink(user_id=user_id, nonce=nonce, expires_at=now + LASTS)
    return f"{base_url}{PATH}{sign_in_token(link, key=key)}"


def sign_in(tx: Tx, link: SignInLink, *, now: datetime) -> tuple[Session, str]:
    """Create a session by *link*; return it and its token. Raises BadLink: used before; InvalidValue: no such user."""
    used = sha256(f"{link.user_id}\n{link.nonce}".encode()).hexdigest()
    if not use_link(tx, used, link.user_id, link.expires_at):
        raise BadLink
    return create_session(tx, link.user_id, now=now)
