"""Read what a message says of the list it came through (RFC 2919, RFC 2369, RFC 8058)."""

import re
from collections.abc import Mapping
from typing import Final

from relay.mail.decode import clean_line, decode_value
from relay.mail.parsed_mail import MailingList

LIST_FIELDS: Final = frozenset({"list-id", "list-post", "list-unsubscribe", "list-unsubscribe-post", "precedence"})
_MAX_ID: Final = 255  # characters, RFC 2919 §2
_MAX_URL: Final = 2000
_IN_BRACKETS: Final = re.compile(rb"<([^<>]{1,4000})>")
_ONE_CLICK: Final = re.compile(rb"list-unsubscribe\s*=\s*one-click", re.IGNORECASE)
_SCHEMES: Final = ("https:", "http:", "mailto:")  # the first that is there is told


def mailing_list(values: Mapping[str, bytes]) -> MailingList | None:
    """The list of a message; None for a message without marks of one.

    *values* maps lower-case field names to unfolded values.
    """
    if "list-id" not in values and "list-unsubscribe" not in values and "list-post" not in values:
        return None
    unsubscribe = _target(values.get("list-unsubscribe", b""))
    one_click = _ONE_CLICK.match(values.get("list-unsubscribe-post", b"").strip()) is not None
    return MailingList(
        id=_list_id(values.get("list-id", b"")),
        unsubscribe=unsubscribe,
        one_click=one_click and unsubscribe is not None and unsubscribe.startswith("https:"),
    )


def _list_id(value: bytes) -> str | None:
    """The id in the last angle brackets; else the whole value."""
    found = _IN_BRACKETS.findall(value[-4096:])
    return decode_value(found[-1] if found else value, limit=_MAX_ID) or None


def _target(value: bytes) -> str | None:
    """The URL to leave the list by: of several the one of HTTPS, else HTTP, else mail."""
    found = [_url(each) for each in _IN_BRACKETS.findall(value[:16_384])] or [_url(value[:_MAX_URL])]
    return next((url for scheme in _SCHEMES for url in found if url.lower().startswith(scheme)), None)


def _url(raw: bytes) -> str:
    """*raw* without the blanks that a fold left in it."""
    return clean_line(raw.decode("utf-8", "replace")).replace(" ", "")[:_MAX_URL]
