"""Attributes of a tag, and character references (HTML Living Standard §13.2.5.33, §13.5)."""

import re
from html import unescape
from html.entities import html5
from typing import Final

_ATTRIBUTE: Final = re.compile(r"""([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?""")
# int() rejects numbers of thousands of digits, and is slow for hundreds.
_HUGE_REFERENCE: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")
# References that are a text of their own.
_REFERENCES: Final = {"&nbsp;": "\xa0", "&#160;": "\xa0", "&amp;": "&", "&#8203;": "\u200b", "&zwnj;": "\u200c"}
_VALUE_REFERENCE: Final = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,8};?|[a-zA-Z][a-zA-Z0-9]{0,31}(?:;|(?![a-zA-Z0-9=])))")


def read_attributes(text: str) -> dict[str, str]:
    """The attributes in *text*, with lower-case names; the first of a name counts, values are decoded."""
    written = _ATTRIBUTE.findall(text)
    written.reverse()
    if "&" not in text:
        return {name.lower(): double or single or bare for name, double, single, bare in written}
    return {name.lower(): decode_value(double or single or bare) for name, double, single, bare in written}


def decode_text(text: str) -> str:
    """*text* with its character references decoded, also those without a semicolon."""
    if "&" not in text:
        return text
    if known := _REFERENCES.get(text):
        return known
    return unescape(_HUGE_REFERENCE.sub("\ufffd", text) if "&#" in text else text)


def decode_value(value: str) -> str:
    """An attribute's value decoded: `&copy=1` of a URL is no reference."""
    return _VALUE_REFERENCE.sub(_decode, value) if "&" in value else value


def _decode(reference: re.Match[str]) -> str:
    text = reference[0]
    return unescape(text) if text[1] == "#" or text[1:] in html5 else text
