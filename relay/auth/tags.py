"""Parse tag lists, ``name=value; name=value``, of DKIM and ARC (RFC 6376 §3.2)."""

import binascii
import re
from collections.abc import Mapping
from typing import Final

from store.names import normalise_domain

MAX_TAGS: Final = 100  # of one list; RFC 6376 and RFC 8617 define fifteen
BLANKS: Final = " \t\r\n"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*+", re.ASCII)
_TEXT: Final = re.compile(r"[\t\r\n\x20-\x7e\x80-\U0010ffff]*+")
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


class BadTags(ValueError):
    """Not a valid tag list, or a tag has no usable value. The message is safe to show."""


def parse_tags(text: str, *, skip_empty: bool = False, skip_unreadable: bool = False) -> dict[str, str]:
    """The tags of *text*, values without surrounding blanks. Raises BadTags.

    A duplicate name makes the list invalid (RFC 6376 §3.2). With *skip_empty* a place between two semicolons may be
    empty, which hides no tag; with *skip_unreadable* the text there may be no tag, as in key records typed by hand.
    """
    if not _TEXT.fullmatch(text):
        raise BadTags("control characters in the tag list")
    parts = text.split(";", MAX_TAGS)
    if len(parts) > MAX_TAGS:
        raise BadTags("too many tags")
    if not parts[-1].strip(BLANKS):
        parts.pop()
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(BLANKS)
        if not part.strip(BLANKS):
            if skip_empty:
                continue
            raise BadTags("an empty place in the tag list")
        if not equals or not _NAME.fullmatch(name):
            if skip_unreadable:
                continue
            raise BadTags("not a tag list")
        if name in tags:
            raise BadTags("a tag is repeated")
        tags[name] = value.strip(BLANKS)
    return tags


def required(tags: Mapping[str, str], name: str) -> str:
    """The value of a required tag. Raises BadTags if it is missing or empty."""
    value = tags.get(name)
    if not value:
        raise BadTags(f"{name}= is missing or empty")
    return value


def number(tags: Mapping[str, str], name: str) -> int | None:
    """The value of an optional decimal tag. Raises BadTags if it is not a number."""
    value = tags.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise BadTags(f"{name}= is not a number")
    return int(value)


def binary(tags: Mapping[str, str], name: str, *, most: int) -> bytes:
    """The decoded base64 value of a required tag, at most *most* characters long.

    Its padding may be missing (RFC 6376 §2.10). Raises BadTags.
    """
    text = required(tags, name)
    if len(text) > 2 * most:
        raise BadTags(f"{name}= is too long")
    if not text.isalnum():
        text = "".join(text.split())
    if len(text) > most:
        raise BadTags(f"{name}= is too long")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:  # includes binascii.Error, and the error for non-ASCII text
        raise BadTags(f"{name}= is not base64") from error


def domain(tags: Mapping[str, str], name: str) -> str:
    """The domain in a required tag, at least two labels, as A-labels (RFC 8616).

    Raises BadTags.
    """
    text = required(tags, name)
    try:
        found = normalise_domain(text) if len(text) <= 253 else ""
    except ValueError:
        found = ""
    if "." not in found or text.endswith("."):
        raise BadTags(f"{name}= is not a domain")
    return found
