"""Attributes of a tag, and character references (HTML Living Standard §13.2.5.33, §13.5)."""

import re
from html import unescape
from html.entities import html5
from typing import Final

_ATTRIBUTE: Final = re.compile(r"""([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?""")
_KEPT: Final = 2000  # tags remembered
# int() rejects numbers of thousands of digits, and is slow for hundreds.
_HUGE_REFERENCE: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")
_VALUE_REFERENCE: Final = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,8};?|[a-zA-Z][a-zA-Z0-9]{0,31}(?:;|(?![a-zA-Z0-9=])))")


def read_attributes(text: str) -> dict[str, str]:
    """The attributes in *text*, with lower-case names; the first of a name counts, values are decoded."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), decode_value(double or single or bare))
    return found


class AttributeReader:
    """Reads attributes of the tags of one page; tags that are written alike are read once."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def read(self, text: str) -> dict[str, str]:
        """`read_attributes` of *text*; the result is shared, so it must not be changed."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[text] = read_attributes(text)
        return known


def decode_text(text: str) -> str:
    """*text* with its character references decoded, also those without a semicolon."""
    if "&" not in text:
        return text
    return unescape(_HUGE_REFERENCE.sub("\ufffd", text) if "&#" in text else text)


def decode_value(value: str) -> str:
    """An attribute's value decoded: `&copy=1` of a URL is no reference."""
    return _VALUE_REFERENCE.sub(_decode, value) if "&" in value else value


def _decode(reference: re.Match[str]) -> str:
    text = reference[0]
    return unescape(text) if text[1] == "#" or text[1:] in html5 else text
