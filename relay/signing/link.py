"""Signed tokens for review links, sign-in links and forms, by HMAC with expiry.

Pure. A token is base64url of its words, a dot, and base64url of the HMAC over its kind and its
words. A review token is bound to one reviewer and one revision of one message, a sign-in token to
one sign-in. The words are readable; only the signature cannot be forged.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from relay.errors import BadLink
from relay.signing.secrets import mac, same

MAX_TOKEN: Final = 600
_REVIEW: Final = "review"
_SIGN_IN: Final = "sign in"
_FORM: Final = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLink:
    """Permission for one reviewer to decide on one revision of one draft."""

    message_id: str
    revision: int
    user_id: str
    expires_at: datetime  # aware; precision is one second


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """Permission for one user to sign in once."""

    user_id: str
    nonce: str  # makes the link valid once: see store/directory/used_links.py
    expires_at: datetime


def review_token(link: ReviewLink, *, key: bytes) -> str:
    """The token in the URL of a review page."""
    words = (link.message_id, str(link.revision), link.user_id, _seconds(link.expires_at))
    return _token(_REVIEW, words, key)


def sign_in_token(link: SignInLink, *, key: bytes) -> str:
    """The token in the URL of a sign-in link."""
    return _token(_SIGN_IN, (link.user_id, link.nonce, _seconds(link.expires_at)), key)


def form_token(page: str, *, until: datetime, key: bytes) -> str:
    """The anti-forgery (CSRF) token of a form on *page*.

    *page* is the token of the page or of the session.
    """
    return _token(_FORM, (_digest(page, key), _seconds(until)), key)


def read_review_token(token: str, *, key: bytes, now: datetime | None) -> ReviewLink:
    """Verify *token* and return its link. If *now* is None, expiry is not checked.

    Raises BadLink.
    """
    message_id, revision, user_id, seconds = _words(_REVIEW, token, 4, key)
    expires_at = _time(seconds, now)
    return ReviewLink(message_id=message_id, revision=int(revision), user_id=user_id, expires_at=expires_at)


def read_sign_in_token(token: str, *, key: bytes, now: datetime) -> SignInLink:
    """Verify *token* and return its link. Raises BadLink."""
    user_id, nonce, seconds = _words(_SIGN_IN, token, 3, key)
    return SignInLink(user_id=user_id, nonce=nonce, expires_at=_time(seconds, now))


def check_form_token(token: str, page: str, *, key: bytes, now: datetime) -> None:
    """Verify that *token* was made for *page* and has not expired. Raises BadLink."""
    digest, seconds = _words(_FORM, token, 2, key)
    _time(seconds, now)
    if not same(digest, _digest(page, key)):
        raise BadLink


def _token(kind: str, words: tuple[str, ...], key: bytes) -> str:
    payload = "\n".join(words).encode()
    return f"{_encoded(payload)}.{_encoded(_signature(kind, payload, key))}"


def _words(kind: str, token: str, count: int, key: bytes) -> list[str]:
    payload, signature = _parts(token)
    if not same(_encoded(_signature(kind, payload, key)), _encoded(signature)):
        raise BadLink
    words = payload.decode().split("\n")
    if len(words) != count:
        raise BadLink
    return words


def _parts(token: str) -> tuple[bytes, bytes]:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise BadLink
    payload, _, signature = token.partition(".")
    try:
        return _decoded(payload), _decoded(signature)
    except binascii.Error as error:
        raise BadLink from error


def _time(seconds: str, now: datetime | None) -> datetime:
    at = datetime.fromtimestamp(int(seconds), UTC)
    if now is not None and at <= now:
        raise BadLink
    return at


def _signature(kind: str, payload: bytes, key: bytes) -> bytes:
    return mac(key, kind.encode() + b"\n" + payload)


def _digest(page: str, key: bytes) -> str:
    return mac(key, b"page\n" + page.encode("utf-8", "surrogatepass")).hex()


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    # validate=True: the lenient decoder skips characters outside the alphabet, so two texts would be one token.
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
