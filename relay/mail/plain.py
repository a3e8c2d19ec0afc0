"""Convert HTML to plain text, for messages without a plain part.

Not a renderer: removes tags, keeps their content, and turns block ends into line ends. One pass
with plain string searches, because HTML parsers are quadratic on crafted input.
"""

import re
from html import unescape
from typing import Final

from relay.mail.decode import clean_text

_HIDDEN: Final = ("script", "style", "head", "title", "template", "noscript", "svg")
_BREAKS: Final = frozenset(
    {"br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "pre", "hr", "section", "article", "header",
     "footer", "h1", "h2", "h3", "h4", "h5", "h6"}
)  # fmt: skip
_TAG_NAME: Final = re.compile(r"/?([a-z][a-z0-9]{0,15})(?![a-z0-9])")
_HUGE_REFERENCE: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")
_BLANKS: Final = re.compile(r"[ \t\r\n\xa0]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")


def plain_text(html: str) -> str:
    """The readable text of *html*.

    Entities are decoded, scripts and styles removed, and runs of empty lines reduced to one.
    """
    pieces = _pieces(html)
    # int() rejects numbers of thousands of digits, and is slow for hundreds.
    text = unescape(_HUGE_REFERENCE.sub("\ufffd", "".join(pieces)))
    lines = "\n".join(line.strip() for line in clean_text(text.replace("\xa0", " ")).split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip()


def _pieces(html: str) -> list[str]:
    lowered = html.lower()
    if len(lowered) != len(html):  # lower() lengthens a few letters, and offsets must agree
        lowered = html
    pieces: list[str] = []
    start = 0
    while (opened := html.find("<", start)) >= 0:
        pieces.append(_BLANKS.sub(" ", html[start:opened]))
        name = _TAG_NAME.match(lowered, opened + 1)
        start = _tag_end(lowered, opened, name[1] if name else "")
        if start == opened + 1:
            pieces.append("<")  # not markup: an unescaped less-than sign
        elif name and name[1] in _BREAKS:
            pieces.append("\n")
    pieces.append(_BLANKS.sub(" ", html[start:]))
    return pieces


def _tag_end(lowered: str, opened: int, name: str) -> int:
    """Offset after the tag that starts at *opened*; the end of the text if not closed."""
    if lowered.startswith("<!--", opened):
        return _behind(lowered, "-->", opened + 4)
    if name in _HIDDEN and lowered[opened + 1] != "/":
        closing = lowered.find("</" + name, opened)
        return _behind(lowered, ">", closing) if closing >= 0 else len(lowered)
    if name or lowered[opened + 1 : opened + 2] in ("!", "?"):
        return _behind(lowered, ">", opened)
    return opened + 1


def _behind(text: str, sign: str, start: int) -> int:
    found = text.find(sign, start)
    return found + len(sign) if found >= 0 else len(text)
