"""Canonical form of domain names and addresses, and checks of one-line texts.

A domain is lower-case A-labels (RFC 5890) without a final dot. An agent's address is its lower-cased
local part, ``@``, and such a domain. Two spellings of one mailbox have the same canonical form, so rows
are found by equality.
"""

import re
import unicodedata
from typing import Final

import idna

MAX_DOMAIN: Final = 253
MAX_LOCAL: Final = 64
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# Controls, line ends (also Unicode's), lone surrogates, and bidirectional controls.
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)


def normalise_domain(name: str) -> str:
    """*name* as lower-case A-labels without a final dot (UTS 46, RFC 5891).

    Raises ValueError: not a domain name.
    """
    lowered = name.strip().rstrip(".").lower()
    if not _PLAIN_DOMAIN.fullmatch(lowered):
        try:
            lowered = idna.encode(lowered, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError(f"not a domain name: {name!r}") from error
    if len(lowered) > MAX_DOMAIN or not all(_LABEL.fullmatch(label) for label in lowered.split(".")):
        raise ValueError(f"not a domain name: {name!r}")
    return lowered


def normalise_local(local: str) -> str:
    """A local part in the stored form: NFC and lower-case (RFC 6530 §10.1)."""
    # NFC before and after: lower-casing can leave adjacent characters that compose into one.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())


def normalise_address(address: str) -> str:
    """*address* in the stored form. Raises ValueError: not an address."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or len(local.encode()) > MAX_LOCAL:
        raise ValueError(f"not an address: {address!r}")
    if not local.isprintable() or any(sign in ' "(),:;<>@[\\]' for sign in local):
        raise ValueError(f"not an address: {address!r}")
    if ".." in local or local.startswith(".") or local.endswith("."):
        raise ValueError(f"not an address: {address!r}")
    return f"{normalise_local(local)}@{normalise_domain(domain)}"


def normalise_or_none(address: str) -> str | None:
    """*address* in the stored form; None when it is not an address."""
    try:
        return normalise_address(address)
    except ValueError:
        return None


def is_line(value: str) -> bool:
    """Whether *value* is one displayable line of text.

    It contains no line end, control character, bidirectional control or lone surrogate. Accepts more than
    ``str.isprintable``: no-break spaces, joiners, and characters newer than Python's tables.
    """
    return value.isprintable() or not _NO_TEXT.search(value)


def is_text(value: str, *, most: int) -> bool:
    """Whether *value* is one displayable line of at most *most* characters."""
    return len(value) <= most and is_line(value)


def as_line(value: str) -> str:
    """*value* as one displayable line: what is_line rejects becomes a space."""
    return value if value.isprintable() else _NO_TEXT.sub(" ", value)
