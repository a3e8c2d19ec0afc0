"""Split HTML at its tags (HTML Living Standard §13.2.5), linear in the input.

A page is split at each "<" that opens something; a piece then is a tag and the text behind it. What is no
plain tag is read here: comments, declarations, tags with odd quotes, and elements whose content is no markup.

Two rules depart from the standard, so that a damaged message keeps its words: a quote that is never closed
does not open a value, and an element whose content is no markup (`title`, `textarea`) and that is never
closed is its tag alone.
"""

import re
from typing import Final, NamedTuple

# A "<" that opens nothing is text.
_NO_TAG: Final = re.compile(r"<(?![a-zA-Z/!?])")
_OPENS: Final = re.compile(r"[a-zA-Z/!?]")
# What is between the angle brackets of a plain tag. Quoted values hold no angle bracket.
_PLAIN: Final = re.compile(r"""(/?)([a-zA-Z][^\s/<>"']*+)((?:[^<>"']++|"[^<>"]*+"|'[^<>']*+')*+)""", re.ASCII)
_NAME: Final = re.compile(r"(/?)([a-zA-Z][^\s/>]*)", re.ASCII)
_VALUE_OR_END: Final = re.compile(r"""=\s*(["'])|>""")
_COMMENT_END: Final = re.compile(r"--!?>")

_UNREAD: Final = ("script", "style", "iframe", "noembed", "noframes", "xmp", "plaintext")
_RAW_ENDS: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII) for name in (*_UNREAD, "title", "textarea")
}


class WrittenTag(NamedTuple):
    """A tag as it is written."""

    name: str  # lower-case
    attributes: str  # as written
    is_end: bool = False
    content: str | None = None  # of an element whose content is no markup


class Odd(NamedTuple):
    """What a piece is that begins with no plain tag."""

    tag: WrittenTag | None  # None for what says nothing, such as a comment
    text: str  # behind it
    resume: int  # number of the piece to go on with


def plain_tag(written: str) -> WrittenTag | None:
    """The tag that *written*, a text between angle brackets, is; None if it is no plain tag."""
    found = _PLAIN.fullmatch(written)
    if found is None:
        return None
    slash, name, attributes = found.groups()
    name = name.lower()
    return None if name in _RAW_ENDS and not slash else WrittenTag(name, attributes, bool(slash))


class Pieces:
    """The pieces of a page; remembers which signs occur no more, so no search is repeated."""

    def __init__(self, html: str) -> None:
        self._html = html
        pieces = html.split("<")
        self.all = _joined(pieces) if _NO_TAG.search(html) else pieces  # the first is the text before the first tag
        self._missing: set[str] = set()
        self._at = self._start = 0  # a piece, and the offset of its first character

    def odd(self, at: int) -> Odd:
        """What begins with piece *at*, which is no plain tag."""
        piece = self.all[at]
        if piece.startswith("!--"):
            return self._comment(at)
        if piece[0] in "!?":
            return self._behind_sign(at)
        start = self._offset(at)
        named = _NAME.match(self._html, start)
        if named is None:  # "</" without a name is a comment
            return self._behind_sign(at)
        end = self._tag_end(named.end())
        attributes = self._html[named.end() : end - 1]
        slash, name = named[1], named[2].lower()
        if end > len(self._html):
            return self._odd(None, len(self._html))
        if name in _RAW_ENDS and not slash:
            return self._raw(name, attributes, end)
        return self._odd(WrittenTag(name, attributes, bool(slash)), end)

    def _comment(self, at: int) -> Odd:
        """The comment that begins with piece *at*; one without an end takes all that follows."""
        if self.all[at].startswith(("!-->", "!--->")):
            return self._behind_sign(at)
        start = 3
        for number in range(at, len(self.all)):
            piece = self.all[number]
            if "--" in piece and (found := _COMMENT_END.search(piece, start)):
                return Odd(None, piece[found.end() :], number + 1)
            start = 0
        return Odd(None, "", len(self.all))

    def _behind_sign(self, at: int) -> Odd:
        """What is behind the next ">" from piece *at* on."""
        for number in range(at, len(self.all)):
            _, sign, text = self.all[number].partition(">")
            if sign:
                return Odd(None, text, number + 1)
        return Odd(None, "", len(self.all))

    def _raw(self, name: str, attributes: str, start: int) -> Odd:
        """The element *name* with its content."""
        closing = None if name in self._missing else _RAW_ENDS[name].search(self._html, start)
        if closing:
            tag = WrittenTag(name, attributes, content=self._html[start : closing.start()])
            return self._odd(tag, self._tag_end(closing.end()))
        self._missing.add(name)
        if attributes.endswith("/") or name not in _UNREAD:
            return self._odd(None, start)
        return self._odd(WrittenTag(name, attributes, content=self._html[start:]), len(self._html))

    def _odd(self, tag: WrittenTag | None, end: int) -> Odd:
        """*tag*, which ends before the offset *end*."""
        while self._at + 1 < len(self.all) and (length := len(self.all[self._at])) < end - self._start:
            self._start += length + 1
            self._at += 1
        return Odd(tag, self.all[self._at][end - self._start :], self._at + 1)

    def _offset(self, at: int) -> int:
        """The offset of piece *at*. A later one each time, so all calls together are one pass."""
        self._start += sum(map(len, self.all[self._at : at])) + at - self._at
        self._at = at
        return self._start

    def _tag_end(self, start: int) -> int:
        """Offset behind the ">" that ends a tag; one behind the text without one."""
        while found := _VALUE_OR_END.search(self._html, start):
            if found[0] == ">":
                return found.end()
            closed = self._find(found[1], found.end())
            start = closed + 1 if closed >= 0 else found.end()
        return len(self._html) + 1

    def _find(self, sign: str, start: int) -> int:
        if sign in self._missing:
            return -1
        found = self._html.find(sign, start)
        if found < 0:
            self._missing.add(sign)
        return found


def _joined(pieces: list[str]) -> list[str]:
    """*pieces*, those that open nothing joined to the ones before."""
    found: list[list[str]] = [pieces[:1]]
    for piece in pieces[1:]:
        if _OPENS.match(piece):
            found.append([piece])
        else:
            found[-1].append(piece)
    return ["<".join(each) for each in found]
