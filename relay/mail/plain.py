"""The text of an HTML body, for mail that has no plain part.

Not a rendering: tags go, their contents stay, block ends become line ends. One pass with
plain searches, because the grammar-true parsers are quadratic on what a stranger can write.
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
    """The readable text of *html*: entities resolved, scripts and styles gone, at most one empty line in a row."""
    pieces = _pieces(html)
    # Python refuses to read a number of thousands of digits, and reads one of hundreds slowly.
    text = unescape(_HUGE_REFERENCE.sub("\ufffd", "".join(pieces)))
    lines = "\n".join(line.strip() for line in clean_text(text.replace("\xa0", " ")).split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip()


def _pieces(html: str) -> list[str]:
    lowered = html.lower()
    if len(lowered) != len(html):  # a few letters grow when lowered, and positions must agree
        lowered = html
    pieces: list[str] = []
    start = 0
    while (opened := html.find("<", start)) >= 0:
        pieces.append(_BLANKS.sub(" ", html[start:opened]))
        name = _TAG_NAME.match(lowered, opened + 1)
        start = _tag_end(lowered, opened, name[1] if name else "")
        if start == opened + 1:
            pieces.append("<")  # not markup: a sign less-than in sloppy text
        elif name and name[1] in _BREAKS:
            pieces.append("\n")
    pieces.append(_BLANKS.sub(" ", html[start:]))
    return pieces


def _tag_end(lowered: str, opened: int, name: str) -> int:
    """Where reading goes on after the ``<`` at *opened*; the end of the text where nothing closes it."""
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
