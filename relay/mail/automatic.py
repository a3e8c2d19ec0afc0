"""Detect automatic messages, such as auto-replies and lists (RFC 3834 §2, §5).

A reply to such a message can start a mail loop or reach a mailing list. The event therefore says
``automated``, and this program never replies to the message by itself.
"""

from collections.abc import Mapping
from typing import Final

AUTOMATIC_FIELDS: Final = frozenset(
    {
        "auto-submitted", "content-type", "list-id", "list-unsubscribe", "precedence",
        "x-auto-response-suppress", "x-autoreply", "x-autorespond",
    }
)  # fmt: skip
_PRESENCE: Final = ("list-id", "list-unsubscribe", "x-autoreply", "x-autorespond")
_BULK: Final = (b"bulk", b"junk", b"list", b"auto_reply")


def is_automatic(values: Mapping[str, bytes], *, null_sender: bool) -> bool:
    """Whether header fields or the null sender mark the message as automatic.

    *values* maps lower-case field names to unfolded values.
    """
    return (
        null_sender
        or _token(values, "auto-submitted") not in (b"", b"no")
        or _token(values, "precedence") in _BULK
        or _token(values, "x-auto-response-suppress") not in (b"", b"none")
        or _token(values, "content-type") == b"multipart/report"
        or any(name in values for name in _PRESENCE)
    )


def _token(values: Mapping[str, bytes], name: str) -> bytes:
    """The first word of a field value, lower-case, without parameters or comment."""
    head = values.get(name, b"")[:200].replace(b";", b" ").replace(b"(", b" ").replace(b",", b" ")
    return next(iter(head.split(maxsplit=1)), b"").lower()
