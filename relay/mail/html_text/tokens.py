"""Split HTML into tags and text (HTML Living Standard §13.2.5), linear in the input.

Two rules depart from the standard, so that a damaged message keeps its words: a quote that is never closed
does not open a value, and an element whose content is no markup (`title`, `textarea`) and that is never
closed is its tag alone.
"""

import re
from collections.abc import Iterator
from typing import Final

TEXT: Final = 0
START: Final = 1
END: Final = 2
RAW: Final = 3  # an element whose content is no markup


# Kind; lower-case name of the tag, or the text of TEXT; attributes as written; content of RAW.
HtmlToken = tuple[int, str, str, str]


# Whole tags whose quoted values hold no angle bracket; possessive, so a failure never reads beyond the next "<".
_TAG: Final = re.compile(
    r"""<(/?)([a-zA-Z][^\s/<>"']*+)((?:[^<>"']++|"[^<>"]*+"|'[^<>']*+')*+)>|<(?=[a-zA-Z/!?])""", re.ASCII
)
_NAME: Final = re.compile(r"(/?)([a-zA-Z][^\s/>]*)", re.ASCII)
_VALUE_OR_END: Final = re.compile(r"""=\s*(["'])|>""")
_COMMENT_END: Final = re.compile(r"--!?>")

_UNREAD: Final = ("script", "style", "iframe", "noembed", "noframes", "xmp", "plaintext")
_RAW_ENDS: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII) for name in (*_UNREAD, "title", "textarea")
}


def tokens(html: str) -> Iterator[HtmlToken]:
    """The tags and texts of *html* in order; comments and declarations are left out."""
    return _Splitter(html).run()


class _Splitter:
    """One pass over a page; remembers which signs occur no more, so no search is repeated."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._missing: set[str] = set()

    def run(self) -> Iterator[HtmlToken]:
        html, start = self._html, 0
        while True:
            for tag in _TAG.finditer(html, start):
                if tag.start() > start:
                    yield (TEXT, html[start : tag.start()], "", "")
                slash, name, attributes = tag.groups()
                if name is None:
                    token, start = self._odd(tag.start())
                    break
                name = name.lower()
                if name in _RAW_ENDS and not slash:
                    token, start = self._raw(name, attributes, tag.end())
                    break
                yield (END if slash else START), name, attributes, ""
                start = tag.end()
            else:
                if start < len(html):
                    yield (TEXT, html[start:], "", "")
                return
            if token:
                yield token

    def _odd(self, opened: int) -> tuple[HtmlToken | None, int]:
        """What starts with the "<" at *opened* and is no plain tag, and the offset behind it."""
        html = self._html
        if html.startswith("<!--", opened):
            return None, self._comment_end(opened + 4)
        if html[opened + 1] in "!?":
            return None, self._behind(">", opened)
        named = _NAME.match(html, opened + 1)
        if named is None:  # "</" without a name is a comment, or text at the end
            return None, self._behind(">", opened)
        end = self._tag_end(named.end())
        attributes = html[named.end() : end - 1]
        slash, name = named[1], named[2].lower()
        if end > len(html):
            return None, len(html)
        if name in _RAW_ENDS and not slash:
            return self._raw(name, attributes, end)
        return ((END if slash else START), name, attributes, ""), end

    def _comment_end(self, start: int) -> int:
        if self._html.startswith((">", "->"), start):
            return self._html.index(">", start) + 1
        found = None if "--" in self._missing else _COMMENT_END.search(self._html, start)
        if found is None:
            self._missing.add("--")
        return found.end() if found else len(self._html)

    def _raw(self, name: str, attributes: str, start: int) -> tuple[HtmlToken | None, int]:
        """The element *name* with its content, and the offset behind its end tag."""
        closing = None if name in self._missing else _RAW_ENDS[name].search(self._html, start)
        if closing:
            return (RAW, name, attributes, self._html[start : closing.start()]), self._tag_end(closing.end())
        self._missing.add(name)
        if attributes.endswith("/") or name not in _UNREAD:
            return None, start
        return (RAW, name, attributes, self._html[start:]), len(self._html)

    def _tag_end(self, start: int) -> int:
        """Offset behind the ">" that ends a tag; one behind the text without one."""
        while found := _VALUE_OR_END.search(self._html, start):
            if found[0] == ">":
                return found.end()
            closed = self._find(found[1], found.end())
            start = closed + 1 if closed >= 0 else found.end()
        return len(self._html) + 1

    def _behind(self, sign: str, start: int) -> int:
        found = self._find(sign, start)
        return found + 1 if found >= 0 else len(self._html)

    def _find(self, sign: str, start: int) -> int:
        if sign in self._missing:
            return -1
        found = self._html.find(sign, start)
        if found < 0:
            self._missing.add(sign)
        return found
