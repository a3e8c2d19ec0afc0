"""Parse and cache DKIM public key records from DNS (RFC 6376 §3.6.1, RFC 8463).

Each size is limited before it costs time: the record, its base64, the modulus and the
exponent. A key shorter than the minimum of RFC 8301 is ``policy``, not ``permerror``.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from relay.auth.tags import BadTags, binary, parse_tags
from relay.auth.verdict import Result

MAX_RECORD: Final = 8192  # characters of the TXT record
MAX_ENCODED: Final = 4096  # characters of p=
MIN_BITS: Final = 1024  # RFC 8301 §3.2
MAX_BITS: Final = 8192
_MAX_EXPONENT: Final = 2**64
_PADDING: Final = PKCS1v15()
_PREHASHED: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """One usable key record."""

    kind: Literal["rsa", "ed25519"]
    key: RSAPublicKey | Ed25519PublicKey
    bits: int
    hashes: frozenset[str] | None  # h=: hash algorithms the key may be used with; None for any
    email: bool  # whether s= allows email
    strict: bool  # t=s: i= must be exactly d=
    testing: bool  # t=y

    def accepts(self, signature: bytes, digest: bytes) -> bool:
        """Whether *signature* over the SHA-256 *digest* verifies with this key."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)  # RFC 8463 §3: the hash is the message
            else:
                self.key.verify(signature, digest, _PADDING, _PREHASHED)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProblem:
    """Why no key is available: the DKIM result and a sentence."""

    result: Result
    detail: str
    bits: int | None = None


class KeyCache:
    """LRU cache of parsed key records, including refused ones."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._read: OrderedDict[str, PublicKey | KeyProblem] = OrderedDict()

    def __len__(self) -> int:
        return len(self._read)

    def read(self, record: str) -> PublicKey | KeyProblem:
        """The key in the TXT *record*, from the cache if it was parsed before."""
        known = self._read.get(record)
        if known is not None:
            self._read.move_to_end(record)
            return known
        key = read_key(record)
        if len(record) <= MAX_RECORD:
            self._read[record] = key
        if len(self._read) > self._capacity:
            self._read.popitem(last=False)
        return key


def read_key(record: str) -> PublicKey | KeyProblem:
    """The key in the TXT *record* (bytes as Latin-1), or why it cannot be used."""
    if len(record) > MAX_RECORD:
        return KeyProblem(result="permerror", detail="the key record is too long")
    try:
        tags = _tags(record)
        if tags.get("p") == "":
            return KeyProblem(result="permerror", detail="the key was revoked")
        return _load(tags, binary(tags, "p", most=MAX_ENCODED))
    except BadTags as error:
        return KeyProblem(result="permerror", detail=f"the key record is not valid: {error}")


def _tags(record: str) -> dict[str, str]:
    tags = parse_tags(record, skip_empty=True, skip_unreadable=True)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise BadTags("v=DKIM1 is not its first tag")
    return tags


def _load(tags: dict[str, str], material: bytes) -> PublicKey | KeyProblem:
    kind = (tags.get("k") or "rsa").lower()
    try:
        if kind == "ed25519":
            return _describe(tags, "ed25519", Ed25519PublicKey.from_public_bytes(material), 256)
        key = load_der_public_key(material) if kind == "rsa" else None
    except (ValueError, UnsupportedAlgorithm):
        return KeyProblem(result="permerror", detail="the published key cannot be read")
    if not isinstance(key, RSAPublicKey):
        return KeyProblem(result="permerror", detail="the published key is of an unknown type")
    bits = key.key_size
    if not MIN_BITS <= bits <= MAX_BITS or key.public_numbers().e > _MAX_EXPONENT:
        detail = f"a key of {bits} bits is not accepted" if bits < MIN_BITS else "the key is too large"
        return KeyProblem(result="policy", detail=detail, bits=bits)
    return _describe(tags, "rsa", key, bits)


def _describe(
    tags: dict[str, str], kind: Literal["rsa", "ed25519"], key: RSAPublicKey | Ed25519PublicKey, bits: int
) -> PublicKey:
    services = _words(tags.get("s") or "*")  # an empty tag is one that was left out
    flags = _words(tags.get("t", ""))
    return PublicKey(
        kind=kind,
        key=key,
        bits=bits,
        hashes=_words(tags["h"]) if tags.get("h") else None,
        email=not services.isdisjoint(("*", "email")),
        strict="s" in flags,
        testing="y" in flags,
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in text.split(":"))
