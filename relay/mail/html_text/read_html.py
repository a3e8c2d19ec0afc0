"""Read an HTML page as text, with its links, its hidden words and its references.

Not a renderer: follows the rules of HTML for what is text, which element an end tag closes and which line a
word is on, and of CSS what can hide words. Pure, never raises, linear in the page; takes at most MAX_TAGS tags
and texts.
"""

from itertools import islice
from typing import Final

from relay.mail.decode import clean_text
from relay.mail.html_text.appearance import Appearance, Stylist
from relay.mail.html_text.attributes import AttributeReader, decode_text
from relay.mail.html_text.css import read_sheets
from relay.mail.html_text.elements import (
    CLOSES,
    ENDS,
    ENDS_PARAGRAPH,
    LISTS,
    OUT_OF_DRAWING,
    SCOPES,
    VOID,
)  # fmt: skip
from relay.mail.html_text.hidden_words import HiddenWords
from relay.mail.html_text.html_text import HtmlText
from relay.mail.html_text.invisible import collapse, spelled_in_tags, visible
from relay.mail.html_text.layout import Layout
from relay.mail.html_text.open_elements import Element, OpenElements
from relay.mail.html_text.open_link import Links
from relay.mail.html_text.references import References
from relay.mail.html_text.tokens import RAW, START, TEXT, HtmlToken, tokens

MAX_TAGS: Final = 80_000  # and runs of text; 256 KiB of ordinary mail hold 10 000
MAX_LOOKS: Final = 20_000  # tags that are written unlike each other; ordinary mail has some hundred
_KEPT: Final = 2000  # appearances remembered

_PARAGRAPH_SCOPE: Final = SCOPES | {"button"}
_BUTTONS: Final = frozenset({"submit", "button", "reset"})


def read_html(html: str) -> HtmlText:
    """What *html* says."""
    reader = _Reader(html)
    given = tokens(html)
    for token in islice(given, MAX_TAGS):
        reader.take(token)
        if reader.looks > MAX_LOOKS:
            break
    return reader.result(truncated=next(given, None) is not None)


class _Reader:
    """Takes the tokens of one page in order."""

    def __init__(self, html: str) -> None:
        self._layout = Layout()
        self._links = Links(self._layout)
        self._hidden = HiddenWords()
        self._references = References()
        self._open = OpenElements()
        attributes = AttributeReader()
        self._read = attributes.read
        self._style = Stylist(read_sheets(html), attributes)
        self._look = self._page = Appearance()
        self._lists: list[int | None] = []  # of each open list the next number; None without numbers
        self._after_pre = False
        self.looks = 0  # appearances computed
        self._looks: dict[tuple[Appearance, str, str], Appearance] = {}

    def result(self, *, truncated: bool) -> HtmlText:
        """All that was read."""
        self._pop(0)
        return HtmlText(
            text=clean_text(self._layout.text()).strip("\n"),
            hidden=self._hidden.found(),
            links=self._links.found(),
            references=self._references.found(),
            truncated=truncated,
        )

    def take(self, token: HtmlToken) -> None:
        """Read one token."""
        kind = token[0]
        if kind == TEXT:
            self._text(token[1])
        elif kind == START:
            self._start(token[1], token[2])
        elif kind == RAW:
            self._raw(token)
        else:
            self._end(token[1])

    def _text(self, text: str) -> None:
        look = self._look
        if look.unread:
            return
        decoded = decode_text(text)
        if not decoded.isascii():
            if spelled := spelled_in_tags(decoded):
                self._hidden.add("zero_width", spelled)
            decoded = visible(decoded)
        if look.reason:
            self._hidden.add(look.reason, decoded)
        elif look.preformatted:
            self._preformatted(decoded)
        else:
            self._words(decoded)

    def _words(self, text: str) -> None:
        words = collapse(text)
        if not words:
            if "\xa0" in text:
                self._layout.spacer()
            elif text:
                self._layout.space()
            self._links.words(" ")
            return
        if self._hidden.pending:
            self._hidden.close()
        if text[0] != words[0]:
            self._layout.space()
        self._layout.words(words, self._look.quotes)
        self._links.words(text)
        if text[-1] != words[-1]:
            self._layout.space()

    def _preformatted(self, text: str) -> None:
        if self._after_pre:
            text = text.removeprefix("\r").removeprefix("\n")
        self._hidden.close()
        self._links.words(text)
        for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if number:
                self._layout.line_end()
            if shown := line.replace("\xa0", " "):
                self._layout.words(shown.rstrip() if not shown.strip() else shown, self._look.quotes)
        self._after_pre = False

    def _start(self, name: str, attributes: str) -> None:
        self._after_pre = False
        if self._look.unread and name in OUT_OF_DRAWING:
            self._pop(self._open.closed_by("svg"))
        if name in ENDS_PARAGRAPH and self._open.holds("p"):
            self._pop(self._open.last(("p",), _PARAGRAPH_SCOPE), "p")
        if name in CLOSES:
            names, between = CLOSES[name]
            self._pop(self._open.last(names, between), name)
        if name in VOID:
            if attributes:
                self._references.of_element(name, self._read(attributes))
            self._void(name, attributes)
            return
        if attributes.endswith("/") and (name == "svg" or ":" in name or self._look.unread):
            return
        self._push(name, attributes)
        self._begin(name, attributes)

    def _push(self, name: str, attributes: str) -> None:
        if self._open.full():
            self._pop(len(self._open) - 1)
        look = self._look
        if attributes or self._style.styled(name):
            key = (look, name, attributes)
            known = self._looks.get(key)
            look = known or self._new_look(key)
        self._open.push(Element(name, attributes, look))
        self._look = look

    def _new_look(self, key: tuple[Appearance, str, str]) -> Appearance:
        look, name, attributes = key
        self.looks += 1
        self._references.of_element(name, self._read(attributes))
        if len(self._looks) >= _KEPT:
            self._looks.clear()
        found = self._looks[key] = self._style.within(look, name, attributes)
        return found

    def _begin(self, name: str, attributes: str) -> None:
        """What the start of an element does to the text."""
        if name == "a":
            self._links.start(self._read(attributes))
        elif name in {"td", "th"}:
            self._cell()
        elif name == "tr":
            self._layout.row()
        elif name == "table":
            self._layout.table()
        elif name == "li":
            self._item(attributes)
        elif name in LISTS:
            self._layout.block(1 if self._lists else 2)
            self._lists.append(self._first_number(name, attributes))
        elif name in ENDS:
            self._block(name)
            if name == "form":
                self._links.area(self._read(attributes), "")
            self._after_pre = name in ("pre", "listing")

    def _block(self, name: str) -> None:
        if not self._look.reason:
            self._layout.block(1 if self._look.close else ENDS[name])

    def _cell(self) -> None:
        if not self._look.reason:
            self._layout.cell()

    def _first_number(self, name: str, attributes: str) -> int | None:
        if name != "ol" or self._look.plain_list:
            return None
        return _number(self._read(attributes).get("start", ""), 1)

    def _item(self, attributes: str) -> None:
        if self._look.reason:
            return
        number = self._lists[-1] if self._lists else None
        if number is None:
            plain = self._look.plain_list or self._open.look_before_last().plain_list
            self._layout.item("" if plain else "  " * min(len(self._lists) - 1, 8) + "- ")
            return
        if "value" in attributes:
            number = _number(self._read(attributes).get("value", ""), number)
        self._layout.item(f"{'  ' * min(len(self._lists) - 1, 8)}{number}. ")
        self._lists[-1] = number + 1

    def _void(self, name: str, attributes: str) -> None:
        if self._look.unread:
            return
        if name == "br":
            if not self._look.reason:
                self._layout.line_end()
                self._links.words(" ")
            else:
                self._hidden.add(self._look.reason, " ")
        elif name in ("img", "image", "area"):
            self._picture(name, attributes)
        elif name == "hr":
            self._block(name)
        elif name == "base":
            self._links.set_base(self._read(attributes).get("href", ""))
        elif name == "input":
            found = self._read(attributes)
            if found.get("type", "").lower() in _BUTTONS:
                self._inserted(found.get("value", ""), self._style.within(self._look, name, attributes))

    def _picture(self, name: str, attributes: str) -> None:
        found = self._read(attributes)
        words = found.get("alt", "")
        look = self._style.within(self._look, name, attributes)
        if name == "area":
            if not look.reason and (url := self._links.area(found, words)):
                self._inserted(f"{words} <{url}>", look)
            return
        if _dot(found):
            if words.strip():
                self._hidden.add(look.reason or "size", words + " ")
            return
        if not look.reason:
            self._links.picture()
        self._inserted(words, look)

    def _inserted(self, text: str, look: Appearance) -> None:
        """Words of an attribute, apart from those around."""
        words = collapse(visible(text))
        if not words:
            return
        if look.reason:
            self._hidden.add(look.reason, words + " ")
            return
        self._hidden.close()
        self._layout.space()
        self._layout.words(words, look.quotes)
        self._layout.space()
        self._links.words(f" {words} ")

    def _raw(self, token: HtmlToken) -> None:
        _, name, attributes, content = token
        if name == "style":
            self._references.of_css(content)
        elif name in {"textarea", "xmp", "plaintext"} and not self._look.unread:
            self._raw_text(name, attributes, decode_text(content) if name == "textarea" else content)

    def _raw_text(self, name: str, attributes: str, content: str) -> None:
        self._layout.block(1)
        look = self._style.within(self._look, name, attributes)
        if look.reason:
            self._hidden.add(look.reason, content)
        else:
            self._preformatted(visible(content))
        self._layout.block(1)

    def _end(self, name: str) -> None:
        self._after_pre = False
        if name == "br":
            self._void(name, "")
            return
        place = self._open.closed_by(name)
        if place >= 0:
            self._pop(place, name)
        elif name == "p":
            self._block(name)

    def _pop(self, place: int, name: str = "") -> None:
        """Close the open elements from *place* on, because the tag *name* came."""
        if place < 0:
            return
        gone = self._open.pop(place)
        if len(gone) == 1:
            self._finish(gone[0])
            self._look = self._open.look() or self._page
            return
        again = self._open.reopened(gone, gone[-1].name) if name and gone else []
        kept = set(map(id, again))
        for element in gone:
            if id(element) not in kept:
                self._finish(element)
        self._look = self._open.look() or self._page
        for element in again:
            self._push(element.name, element.attributes)

    def _finish(self, element: Element) -> None:
        """What the end of an element does to the text."""
        name, _, look = element
        if look.hidden:
            self._hidden.close()
        if name == "a":
            self._links.end(look.quotes, shown=look.reason is None)
        elif name == "table":
            self._layout.end_table()
        elif name in LISTS:
            if self._lists:
                self._lists.pop()
            self._layout.block(1 if self._lists else 2)
        elif name == "tr":
            self._layout.block(1)
        elif name in ENDS and not look.reason:
            self._layout.block(1 if look.close else ENDS[name])


def _number(text: str, default: int) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default


def _dot(attributes: dict[str, str]) -> bool:
    """Whether a picture is too small to be seen, as those that count readers."""
    return any(attributes.get(side, "").strip().removesuffix("px") in ("0", "1") for side in ("width", "height"))
