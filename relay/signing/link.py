"""Signed tokens for review links, sign-in links and forms, by HMAC with expiry.

Pure. A token is base64url of its words, a dot, and base64url of the HMAC over its kind and its
words. A review token is bound to one reviewer and one revision of one message, a sign-in token to
one sign-in of one epoch. The words are readable; only the signature cannot be forged. A link's hash
names it in the store, where links that were used or revoked are recorded.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from relay.errors import BadLink
from relay.signing.secrets import mac, same

MAX_TOKEN: Final = 600
NONCE_LENGTH: Final = 32
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

    @property
    def hash(self) -> str:
        """Hex SHA-256 that names this link in the store."""
        return _hashed(_REVIEW, *self.words)

    @property
    def words(self) -> tuple[str, ...]:
        """What the token says."""
        return self.message_id, str(self.revision), self.user_id, _seconds(self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """Permission for one user to sign in once."""

    user_id: str
    nonce: str  # makes the link valid once: see store/directory/used_links.py
    expires_at: datetime
    epoch: int = 0  # of the user: a sign-in voids the links of its epoch

    @property
    def hash(self) -> str:
        """Hex SHA-256 that names this link in the store."""
        return _hashed(_SIGN_IN, self.user_id, self.nonce)

    @property
    def words(self) -> tuple[str, ...]:
        """What the token says."""
        return self.user_id, self.nonce, str(self.epoch), _seconds(self.expires_at)


def review_token(link: ReviewLink, *, key: bytes) -> str:
    """The token in the URL of a review page."""
    return _token(_REVIEW, link.words, key)


def sign_in_token(link: SignInLink, *, key: bytes) -> str:
    """The token in the URL of a sign-in link."""
    return _token(_SIGN_IN, link.words, key)


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


def read_sign_in_token(token: str, *, key: bytes, now: datetime | None) -> SignInLink:
    """Verify *token* and return its link. If *now* is None, expiry is not checked.

    Raises BadLink.
    """
    user_id, nonce, epoch, seconds = _words(_SIGN_IN, token, 4, key)
    return SignInLink(user_id=user_id, nonce=nonce, epoch=int(epoch), expires_at=_time(seconds, now))


def read_link(token: str, *, key: bytes) -> ReviewLink | SignInLink:
    """Verify *token*, of either kind, and return its link, expired or not. Raises BadLink."""
    try:
        return read_review_token(token, key=key, now=None)
    except BadLink:
        return read_sign_in_token(token, key=key, now=None)


def letter_nonce(letter_id: str, *, key: bytes) -> str:
    """The nonce in the sender address of a letter: 32 characters of base32, unguessable without the key.

    The same for each attempt to send the letter.
    """
    return base64.b32encode(mac(key, b"letter\n" + letter_id.encode()))[:NONCE_LENGTH].decode("ascii").lower()


def nonce_hash(nonce: str) -> str:
    """Hex SHA-256 by which the store finds a letter; the nonce as an address has it, in any case."""
    return _hashed("letter nonce", nonce.lower())


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


def _hashed(kind: str, *words: str) -> str:
    return sha256("\n".join((kind, *words)).encode("utf-8", "surrogatepass")).hexdigest()


def _digest(page: str, key: bytes) -> str:
    return mac(key, b"page\n" + page.encode("utf-8", "surrogatepass")).hex()


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    # validate=True: the lenient decoder skips characters outside the alphabet, so two texts would be one token.
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
