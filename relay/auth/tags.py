"""Tag lists, the ``name=value; name=value`` form of DKIM and ARC (RFC 6376 §3.2)."""

import binascii
import re
from collections.abc import Mapping
from typing import Final

from store.names import normalise_domain

BLANKS: Final = " \t\r\n"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*+", re.ASCII)
_TEXT: Final = re.compile(r"[\t\r\n\x20-\x7e\x80-\U0010ffff]*+")
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


class BadTags(ValueError):
    """Not a tag list, or a tag without a usable value; the message is safe to show."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags of *text*, values stripped of blanks around them.

    A name that comes twice makes the list invalid, as RFC 6376 §3.2 demands, and so does
    an empty place between two semicolons. Raises BadTags.
    """
    if not _TEXT.fullmatch(text):
        raise BadTags("control characters in the tag list")
    parts = text.split(";")
    if not parts[-1].strip(BLANKS):
        parts.pop()
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(BLANKS)
        if not equals or name in tags or not _NAME.fullmatch(name):
            raise BadTags("not a tag list")
        tags[name] = value.strip(BLANKS)
    return tags


def required(tags: Mapping[str, str], name: str) -> str:
    """The value of a tag that must be there and not be empty. Raises BadTags."""
    value = tags.get(name)
    if not value:
        raise BadTags(f"{name}= is missing or empty")
    return value


def number(tags: Mapping[str, str], name: str) -> int | None:
    """The value of an optional tag of decimal digits. Raises BadTags."""
    value = tags.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise BadTags(f"{name}= is not a number")
    return int(value)


def binary(tags: Mapping[str, str], name: str, *, most: int) -> bytes:
    """The decoded base64 of a required tag, at most *most* characters of it. Raises BadTags."""
    text = required(tags, name)
    if len(text) > 2 * most:
        raise BadTags(f"{name}= is too long")
    if not text.isalnum():
        text = "".join(text.split())
    if len(text) > most:
        raise BadTags(f"{name}= is too long")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error is one, and so is the answer to non-ASCII
        raise BadTags(f"{name}= is not base64") from error


def domain(tags: Mapping[str, str], name: str) -> str:
    """A required tag that holds a domain of two labels at least, as A-labels (RFC 8616). Raises BadTags."""
    text = required(tags, name)
    try:
        found = normalise_domain(text) if len(text) <= 253 else ""
    except ValueError:
        found = ""
    if "." not in found or text.endswith("."):
        raise BadTags(f"{name}= is not a domain")
    return found
