"""What a decision about a held mail must pass, whoever makes it and by which way."""

from typing import Final

from store.errors import InvalidValue, Outdated
from store.names import is_text
from store.records.outbound import OutboundMessage, Version

MAX_REASON: Final = 1000


def require_seen(message: OutboundMessage, seen: Version | None) -> None:
    """Return if *message* is what somebody looked at. Raises Outdated."""
    if seen is not None and not seen.fits(message):
        raise Outdated


def check_reason(reason: str) -> None:
    """Return if *reason* is a text of bounded length; it may have lines. Raises InvalidValue."""
    if not is_text(reason.replace("\r\n", " ").replace("\n", " "), most=MAX_REASON):
        raise InvalidValue(f"reason: at most {MAX_REASON} printable characters")
