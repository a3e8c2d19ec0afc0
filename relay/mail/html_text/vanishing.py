"""Styles that leave nothing of a box to see: clip paths, transforms, filters, zoom."""

import re
from collections.abc import Mapping
from typing import Final

_NOTHING: Final = re.compile(
    # Half from each side, or all from one (CSS Masking 1 §5.1).
    r"inset\(\s*(?:[5-9][0-9]|1[0-9]{2})(?:\.[0-9]{1,9})?%|(?:circle|ellipse)\(\s*0(?![.0-9])"
    r"|scale(?:3d|x|y)?\(\s*0?\.?0{1,9}[,)\s]|opacity\(\s*0?\.?0{1,9}%?\s*\)|alpha\(\s*opacity\s*=\s*0{1,3}\s*\)"
)
_AWAY: Final = re.compile(r"translate(?:3d|x|y)?\(\s*-(?:[0-9]{4,9}|9[0-9]{2})px")
_ZERO: Final = re.compile(r"0?\.?0{1,9}%?")


def leaves_nothing(values: Mapping[str, str]) -> bool:
    """Whether a box is cut, scaled or faded to nothing."""
    if any(name in values and _NOTHING.search(values[name]) for name in ("clip-path", "transform", "filter")):
        return True
    return bool(_ZERO.fullmatch(values.get("zoom", "1")))


def is_moved_away(values: Mapping[str, str]) -> bool:
    """Whether a transform moves a box out of the page."""
    return bool(_AWAY.match(values.get("transform", "")))
