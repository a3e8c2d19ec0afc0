"""How many rows a batch may have, so that it holds the writer for a short time only."""

from typing import Final

TARGET_SECONDS: Final = 0.012  # of a batch in the writer at most; its commit comes on top
FIRST_ROWS: Final = 8
MOST_ROWS: Final = 1000


def next_rows(rows: int, *, filled: int, seconds: float) -> int:
    """The next batch's bound, after one that used *filled* of its bound of *rows* in so many seconds.

    Half when that was too long; a little more when it was well below, and the bound was what ended it: a
    batch that found less says nothing of what a full one takes.
    """
    if seconds > TARGET_SECONDS:
        return max(1, rows // 2)
    if filled < rows or seconds > TARGET_SECONDS / 2:
        return rows
    return min(MOST_ROWS, rows + 1 + rows // 8)
