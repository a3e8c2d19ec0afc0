"""The text of a page under construction: what words and elements do to it.

Knows nothing of the tree; `relay.mail.html_text.read_html` says which element begins, ends or is empty.
"""

from collections.abc import Mapping
from typing import Final

from relay.mail.html_text.appearance import Appearance, Stylist
from relay.mail.html_text.attributes import decode_text
from relay.mail.html_text.elements import ENDS, LISTS
from relay.mail.html_text.hidden_words import HiddenWords
from relay.mail.html_text.invisible import collapse, may_be_unseen, spelled_in_tags, visible
from relay.mail.html_text.layout import Layout
from relay.mail.html_text.open_link import Links
from relay.mail.html_text.references import References
from relay.mail.html_text.tag import Begin, Finish, Tag

_BUTTONS: Final = frozenset({"submit", "button", "reset"})


class PageText:
    """What was read of a page; `look` is the appearance of the words that come next."""

    def __init__(self, style: Stylist) -> None:
        self.layout = Layout()
        self.links = Links(self.layout)
        self.hidden = HiddenWords()
        self.references = References()
        self.look = Appearance()
        self.after_pre = False  # the next token follows the start of a preformatted element
        self._style = style
        self._lists: list[int | None] = []  # of each open list the next number; None without numbers

    def text(self, text: str) -> None:
        """Take a run of text as it is written."""
        look = self.look
        if not look.shown:
            self._not_shown(text, look)
            return
        if "&" in text or not text.isascii():
            text = self._decoded(text)
            words = collapse(text)
        else:
            words = " ".join(text.split())
        if words:
            self._words(text, words, look.quotes)
            return
        if "\xa0" in text:
            self.layout.spacer()
        elif text:
            self.layout.blank = True
        if self.links.url is not None:
            self.links.words(" ")

    def _words(self, text: str, words: str, quotes: int) -> None:
        if self.hidden.pending:
            self.hidden.close()
        layout = self.layout
        if text[0] != words[0]:
            layout.blank = True
        layout.words(words, quotes)
        if self.links.url is not None:
            self.links.words(text)
        if text[-1] != words[-1]:
            layout.blank = True

    def _decoded(self, text: str) -> str:
        """*text* as a reader sees it; words that are spelled in unseen characters are hidden ones."""
        if "&" in text:
            text = decode_text(text)
        if may_be_unseen(text):
            if spelled := spelled_in_tags(text):
                self.hidden.add("zero_width", spelled)
            text = visible(text)
        return text

    def _not_shown(self, text: str, look: Appearance) -> None:
        if look.unread:
            return
        text = self._decoded(text)
        if look.reason:
            self.hidden.add(look.reason, text)
        else:
            self._preformatted(text)

    def _preformatted(self, text: str) -> None:
        if self.after_pre:
            text = text.removeprefix("\r").removeprefix("\n")
        self.hidden.close()
        self.links.words(text)
        for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if number:
                self.layout.line_end()
            if shown := line.replace("\xa0", " "):
                self.layout.words(shown.rstrip() if not shown.strip() else shown, self.look.quotes)
        self.after_pre = False

    def inserted(self, text: str, look: Appearance) -> None:
        """Take words of an attribute, apart from those around."""
        words = collapse(visible(text)) if may_be_unseen(text) else collapse(text)
        if not words:
            return
        if look.reason:
            self.hidden.add(look.reason, words + " ")
            return
        self.hidden.close()
        self.layout.blank = True
        self.layout.words(words, look.quotes)
        self.layout.blank = True
        self.links.words(f" {words} ")

    def raw(self, name: str, tag: Tag, content: str) -> None:
        """Take an element whose *content* is no markup."""
        if name == "style":
            self.references.of_css(content)
        elif name in {"textarea", "xmp", "plaintext"} and not self.look.unread:
            self._raw_text(tag, decode_text(content) if name == "textarea" else content)

    def _raw_text(self, tag: Tag, content: str) -> None:
        self.layout.block(1)
        look = self._style.within(self.look, tag.name, tag.values)
        if look.reason:
            self.hidden.add(look.reason, content)
        else:
            self._preformatted(visible(content))
        self.layout.block(1)

    # What the start of an element does.

    def begin_link(self, tag: Tag, _around: Appearance) -> None:
        """A link starts."""
        self.links.start(tag.values)

    def begin_cell(self, _tag: Tag, _around: Appearance) -> None:
        """A cell starts."""
        if not self.look.reason:
            self.layout.cell()

    def begin_row(self, _tag: Tag, _around: Appearance) -> None:
        """A row starts."""
        self.layout.row()

    def begin_table(self, _tag: Tag, _around: Appearance) -> None:
        """A table starts."""
        self.layout.table()

    def begin_item(self, tag: Tag, around: Appearance) -> None:
        """A list item starts."""
        if self.look.reason:
            return
        number = self._lists[-1] if self._lists else None
        indent = "  " * min(len(self._lists) - 1, 8)
        if number is None:
            self.layout.item("" if self.look.plain_list or around.plain_list else f"{indent}- ")
            return
        if "value" in tag.attributes:
            number = _number(tag.values.get("value", ""), number)
        self.layout.item(f"{indent}{number}. ")
        self._lists[-1] = number + 1

    def begin_list(self, tag: Tag, _around: Appearance) -> None:
        """A list starts."""
        self.layout.block(1 if self._lists else 2)
        numbered = tag.name == "ol" and not self.look.plain_list
        self._lists.append(_number(tag.values.get("start", ""), 1) if numbered else None)

    def begin_block(self, tag: Tag, _around: Appearance) -> None:
        """A block starts."""
        look = self.look
        if not look.reason:
            self.layout.block(1 if look.close else tag.ends)

    def begin_form(self, tag: Tag, around: Appearance) -> None:
        """A form starts, whose target counts as a link."""
        self.begin_block(tag, around)
        self.links.area(tag.values, "")

    def begin_pre(self, tag: Tag, around: Appearance) -> None:
        """A preformatted element starts."""
        self.begin_block(tag, around)
        self.after_pre = True

    # What the end of an element does.

    def finish_link(self, _tag: Tag, look: Appearance) -> None:
        """A link ends."""
        self.links.end(look.quotes, shown=look.reason is None)

    def finish_table(self, _tag: Tag, _look: Appearance) -> None:
        """A table ends."""
        self.layout.end_table()

    def finish_list(self, _tag: Tag, _look: Appearance) -> None:
        """A list ends."""
        if self._lists:
            self._lists.pop()
        self.layout.block(1 if self._lists else 2)

    def finish_row(self, _tag: Tag, _look: Appearance) -> None:
        """A row ends."""
        self.layout.block(1)

    def finish_block(self, tag: Tag, look: Appearance) -> None:
        """A block ends."""
        if not look.reason:
            self.layout.block(1 if look.close else tag.ends)

    # Elements without content.

    def line_break(self, _tag: Tag, _around: Appearance) -> None:
        """A line ends."""
        if self.look.reason:
            self.hidden.add(self.look.reason, " ")
        else:
            self.layout.line_end()
            self.links.words(" ")

    def base(self, tag: Tag, _around: Appearance) -> None:
        """Relative targets are told what they belong to."""
        self.links.set_base(tag.values.get("href", ""))

    def field(self, tag: Tag, around: Appearance) -> None:
        """A field of a form, of which only a button has words."""
        found = tag.values
        if found.get("type", "").lower() in _BUTTONS:
            self.inserted(found.get("value", ""), self._style.within(around, tag.name, found))

    def area(self, tag: Tag, around: Appearance) -> None:
        """A part of a picture that is a link."""
        words = tag.values.get("alt", "")
        look = self._style.within(around, tag.name, tag.values)
        if not look.reason and (url := self.links.area(tag.values, words)):
            self.inserted(f"{words} <{url}>", look)

    def picture(self, tag: Tag, around: Appearance) -> None:
        """A picture, read as its words."""
        words = tag.values.get("alt", "")
        look = self._style.within(around, tag.name, tag.values)
        if _is_dot(tag.values):
            if words.strip():
                self.hidden.add(look.reason or "size", words + " ")
            return
        if not look.reason:
            self.links.picture()
        self.inserted(words, look)


BEGINS: Final[dict[str, Begin]] = {
    **dict.fromkeys(ENDS, PageText.begin_block),
    **dict.fromkeys(LISTS, PageText.begin_list),
    "form": PageText.begin_form, "pre": PageText.begin_pre, "listing": PageText.begin_pre, "a": PageText.begin_link,
    "td": PageText.begin_cell, "th": PageText.begin_cell, "tr": PageText.begin_row, "table": PageText.begin_table,
    "li": PageText.begin_item,
}  # fmt: skip
FINISHES: Final[dict[str, Finish]] = {
    **dict.fromkeys(ENDS, PageText.finish_block),
    **dict.fromkeys(LISTS, PageText.finish_list),
    "a": PageText.finish_link, "table": PageText.finish_table, "tr": PageText.finish_row,
}  # fmt: skip
VOIDS: Final[dict[str, Begin]] = {
    "br": PageText.line_break, "img": PageText.picture, "image": PageText.picture, "area": PageText.area,
    "hr": PageText.begin_block, "base": PageText.base, "input": PageText.field,
}  # fmt: skip


def _number(text: str, default: int) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default


def _is_dot(attributes: Mapping[str, str]) -> bool:
    """Whether a picture is too small to be seen, as those that count readers."""
    return any(attributes.get(side, "").strip().removesuffix("px") in ("0", "1") for side in ("width", "height"))
