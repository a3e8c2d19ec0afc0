"""Pagination cursors: the sequence number of a page's last row, as text.

Keyset pagination: the next page starts behind that row, so no rows are counted or skipped.
"""

from store.errors import InvalidValue


def parse_cursor(cursor: str | None) -> int:
    """The sequence number in *cursor*; 0 for None. Raises InvalidValue: malformed."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidValue("not a cursor of this list: pass next_cursor of the page before, unchanged")
    return int(cursor)
