"""API keys: ``mk_``, then 43 random and 6 checksum characters in base62.

256 random bits need no slow hash: the store keeps the SHA-256, and the first twelve characters
so that an owner can tell keys apart. The checksum lets secret scanners and the API distinguish a
key from a typing error without a database query.
"""

import re
import zlib
from hashlib import sha256
from typing import Final

PREFIX: Final = "mk_"
KEY_BYTES: Final = 32
SHOWN: Final = 12  # characters kept in plain text
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY: Final = 43  # base62 digits that hold 256 bits
_CHECKSUM: Final = 6  # base62 digits that hold 32 bits
_FORM: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_BODY + _CHECKSUM}}}", re.ASCII)


def new_key(random_bytes: bytes) -> str:
    """A key from 32 random bytes. Raises ValueError for another length."""
    if len(random_bytes) != KEY_BYTES:
        raise ValueError(f"an API key is made of {KEY_BYTES} bytes")
    body = _base62(int.from_bytes(random_bytes, "big"), _BODY)
    return PREFIX + body + _checksum(body)


def is_key(text: str) -> bool:
    """Whether *text* is a well-formed key with a correct checksum.

    Not whether it exists.
    """
    if not _FORM.fullmatch(text):
        return False
    body, checksum = text[len(PREFIX) : -_CHECKSUM], text[-_CHECKSUM:]
    return _checksum(body) == checksum


def hash_key(plaintext: str) -> str:
    """The hex SHA-256 under which the store keeps a key."""
    return sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()


def prefix(plaintext: str) -> str:
    """The part of a key shown to its owner: the first twelve characters."""
    return plaintext[:SHOWN]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
