"""Whether a machine sent a mail, by its own word (RFC 3834 §2, §5).

An agent that answers such a mail can start a loop with another machine, or join a mailing
list's traffic; so the event says ``automated`` and nothing of ours answers it.
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
    """Whether *values* (lower-case name to unfolded value) or the null sender mark a machine's mail."""
    return (
        null_sender
        or _token(values, "auto-submitted") not in (b"", b"no")
        or _token(values, "precedence") in _BULK
        or _token(values, "x-auto-response-suppress") not in (b"", b"none")
        or _token(values, "content-type") == b"multipart/report"
        or any(name in values for name in _PRESENCE)
    )


def _token(values: Mapping[str, bytes], name: str) -> bytes:
    """The first word of a value, lower-case, without parameters or comment."""
    head = values.get(name, b"")[:200].replace(b";", b" ").replace(b"(", b" ").replace(b",", b" ")
    return next(iter(head.split(maxsplit=1)), b"").lower()
