"""One INSERT of several rows: a few constant sizes, so that the driver finds each text in its cache."""

import re
from typing import Final

SIZES: Final = (32, 16, 8, 7, 6, 5, 4, 3, 2, 1)  # any number of rows is a sum of a few
_ROW: Final = re.compile(r" VALUES (\((?:\?, )*\?\))")


def insert_texts(text: str) -> tuple[tuple[int, str], ...]:
    """The INSERT *text* of one row, for each size, the largest first."""
    row = _ROW.search(text)
    assert row is not None, "an INSERT whose values are all parameters"
    before, after = text[: row.start(1)], text[row.end(1) :]
    return tuple((size, before + ", ".join([row[1]] * size) + after) for size in SIZES)
