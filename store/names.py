"""The one form of a domain and of an address under which rows are found.

A domain is lower-case A-labels (RFC 5890) without a final dot; an agent's address
is its lower-cased local part, ``@``, and such a domain. Two spellings that mean one
mailbox meet here, so a row can be found by equality.
"""

import re
import unicodedata
from typing import Final

import idna

MAX_DOMAIN: Final = 253
MAX_LOCAL: Final = 64
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# Controls and line ends, also Unicode's; half a surrogate; what turns the direction in which a line is read.
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)


def normalise_domain(name: str) -> str:
    """*name* as lower-case A-labels without a final dot (UTS 46, RFC 5891). Raises ValueError."""
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
    """A local part as agents' addresses hold it: NFC and lower-case (RFC 6530 §10.1)."""
    # Folded twice: lower-casing may leave letters beside each other that have a form as one.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())


def normalise_address(address: str) -> str:
    """*address* in the form agents are kept under. Raises ValueError."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not local or len(local.encode()) > MAX_LOCAL:
        raise ValueError(f"not an address: {address!r}")
    if not local.isprintable() or any(sign in ' "(),:;<>@[\\]' for sign in local):
        raise ValueError(f"not an address: {address!r}")
    if ".." in local or local.startswith(".") or local.endswith("."):
        raise ValueError(f"not an address: {address!r}")
    return f"{normalise_local(local)}@{normalise_domain(domain)}"


def normalise_or_none(address: str) -> str | None:
    """The form that rows about *address* are found under; None for what is no address."""
    try:
        return normalise_address(address)
    except ValueError:
        return None


def is_line(value: str) -> bool:
    """Whether *value* is a line for people to read: nothing in it ends a line, steers a terminal or hides its order.

    More than ``str.isprintable`` lets through: the blanks of French and of file names, joiners, signs too new for it.
    """
    return value.isprintable() or not _NO_TEXT.search(value)


def is_text(value: str, *, most: int) -> bool:
    """Whether *value* is such a line, of at most *most* characters."""
    return len(value) <= most and is_line(value)


def as_line(value: str) -> str:
    """*value* as such a line: a blank stands for whatever none can hold."""
    return value if value.isprintable() else _NO_TEXT.sub(" ", value)
