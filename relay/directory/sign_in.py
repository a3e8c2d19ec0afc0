"""Sign in by a link from a letter or the operator: valid for 15 minutes, once; voids the other links."""

from datetime import datetime, timedelta
from typing import Final

from relay.directory.sessions import create_session
from relay.errors import BadLink
from relay.signing.link import SignInLink, sign_in_token
from store.directory.used_links import end_sign_in_epoch, use_link
from store.records.people import Session
from store.transaction import Tx

PATH: Final = "/login/"
LASTS: Final = timedelta(minutes=15)


def sign_in_link(user_id: str, *, epoch: int, base_url: str, key: bytes, nonce: str, now: datetime) -> str:
    """The URL of a page on which this user signs in.

    *nonce* is random and unique to the link; *epoch* is the user's current one (store/directory/used_links.py).
    """
    link = SignInLink(user_id=user_id, nonce=nonce, epoch=epoch, expires_at=now + LASTS)
    return f"{base_url}{PATH}{sign_in_token(link, key=key)}"


def sign_in(tx: Tx, link: SignInLink, *, now: datetime) -> tuple[Session, str]:
    """A session by *link*, and its token; the user's other open links are void from now on.

    Raises BadLink: the link was used, revoked or voided. Raises InvalidValue: no such user.
    """
    if not use_link(tx, link.hash, link.user_id, link.expires_at):
        raise BadLink
    if not end_sign_in_epoch(tx, link.user_id, link.epoch):
        raise BadLink
    return create_session(tx, link.user_id, now=now)
