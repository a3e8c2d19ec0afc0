"""Remove the marks of text/enriched and text/richtext (RFC 1896, RFC 1341 §7.1.3)."""

import re
from typing import Final

ENRICHED_TYPES: Final = frozenset({"text/enriched", "text/richtext"})
_MARK: Final = re.compile(r"<(<|/?[A-Za-z0-9-]{1,60}>)")
_PARAMETER: Final = re.compile(r"<param>[^<]{0,2000}</param>", re.IGNORECASE)
_LINE_ENDS: Final = re.compile(r"\n+")
_WRITTEN: Final = {"nl>": "\n", "np>": "\n", "lt>": "<"}


def enriched_text(text: str) -> str:
    """The words of *text*: a single line end is a blank, and of several one is taken away."""
    joined = _LINE_ENDS.sub(lambda found: "\n" * (len(found[0]) - 1) or " ", text.strip("\n"))
    without = _PARAMETER.sub("", joined)
    return _MARK.sub(lambda found: "<" if found[1] == "<" else _WRITTEN.get(found[1].lower(), ""), without)
