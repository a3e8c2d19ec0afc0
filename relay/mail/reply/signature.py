"""A signature below "-- " (RFC 3676 §4.3): removed from a reply, because it is no part of the answer."""

from collections.abc import Sequence
from typing import Final

DELIMITERS: Final = frozenset({"-- ", "--", "--\xa0"})
_MOST_LINES: Final = 20
_MOST_CHARACTERS: Final = 4000
# A delimiter without its blank also divides paragraphs, so less may follow it.
_MOST_LINES_BARE: Final = 10
_LONGEST_BARE: Final = 120


def is_signature(lines: Sequence[str]) -> bool:
    """Whether *lines*, of which the first is a delimiter, are a signature and no part of the text."""
    below = [line for line in lines[1:] if line.strip()]
    if len(below) > _MOST_LINES or sum(map(len, below)) > _MOST_CHARACTERS:
        return False
    if lines[0] == "-- ":
        return True
    if not below:
        return True
    if not lines[1].strip() or len(below) > _MOST_LINES_BARE:
        return False
    return not any(len(line) > _LONGEST_BARE or "?" in line for line in below)
