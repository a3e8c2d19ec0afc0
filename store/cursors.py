"""Cursors: the number of the row that a page ended with. Nothing is looked up by counting rows."""

from store.errors import InvalidValue


def parse_cursor(cursor: str | None) -> int:
    """The number that *cursor* stands at, 0 for None. Raises InvalidValue for no cursor of ours."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidValue("not a cursor of this list")
    return int(cursor)
