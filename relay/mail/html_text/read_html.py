"""Read an HTML page as text, with its links, its hidden words and its references.

Not a renderer: follows the rules of HTML for what is text, which element an end tag closes and which line a
word is on, and of CSS what can hide words. Pure, never raises, linear in the page; takes at most MAX_TAGS tags
and texts.
"""

from typing import Final

from relay.mail.decode import clean_text
from relay.mail.html_text.appearance import Appearance, Stylist
from relay.mail.html_text.css import read_sheets
from relay.mail.html_text.elements import CLOSES, ENDS, ENDS_PARAGRAPH, OUT_OF_DRAWING, SCOPES, VOID
from relay.mail.html_text.html_text import HtmlText
from relay.mail.html_text.open_elements import OpenElements
from relay.mail.html_text.page_text import BEGINS, FINISHES, VOIDS, PageText
from relay.mail.html_text.pieces import Odd, Pieces, WrittenTag, plain_tag
from relay.mail.html_text.tag import Tag

MAX_TAGS: Final = 80_000  # and runs of text; 256 KiB of ordinary mail hold 10 000
MAX_LOOKS: Final = 20_000  # tags that are written unlike each other; ordinary mail has some hundred
_KEPT: Final = 2000  # tags remembered

_PARAGRAPH_SCOPE: Final = SCOPES | {"button"}


def read_html(html: str) -> HtmlText:
    """What *html* says."""
    reader = _Reader(html)
    truncated = not reader.read()
    return reader.result(truncated=truncated)


class _Reader:
    """Takes the tags and texts of one page in order."""

    def __init__(self, html: str) -> None:
        self._style = Stylist(read_sheets(html))
        self._page = PageText(self._style)
        self._pieces = Pieces(html)
        self._tags: dict[str, Tag] = {}  # by what is between the angle brackets
        self._looks = 0  # appearances computed
        self._open = OpenElements((Tag("", "", _Reader._take_nothing), self._page.look))

    def read(self) -> bool:
        """Take all; False where tags or texts beyond the bounds were left out."""
        tags, text = self._tags, self._page.text
        resume, left = 1, MAX_TAGS
        text(self._pieces.all[0])
        for at, piece in enumerate(self._pieces.all):
            if at < resume:
                continue
            if left <= 0 or self._looks > MAX_LOOKS:
                return False
            written, closed, behind = piece.partition(">")
            tag = tags.get(written) if closed else None
            if tag is None and (tag := self._new(written) if closed else None) is None:
                odd = self._pieces.odd(at)
                resume, behind = odd.resume, odd.text
                left -= self._take_odd(odd)
            else:
                tag.take(self, tag)
                left -= 1
            if behind:
                text(behind)
                left -= 1
        return True

    def result(self, *, truncated: bool) -> HtmlText:
        """All that was read."""
        self._pop(1)
        page = self._page
        return HtmlText(
            text=clean_text(page.layout.text()).strip("\n"),
            hidden=page.hidden.found(),
            links=page.links.found(),
            references=page.references.found(),
            truncated=truncated,
        )

    def _new(self, written: str) -> Tag | None:
        """The tag *written*, met for the first time; None if it is no plain tag."""
        plain = plain_tag(written)
        if plain is None:
            return None
        if len(self._tags) >= _KEPT:
            self._tags.clear()
        tag = self._tags[written] = self._tag(plain)
        return tag

    def _tag(self, written: WrittenTag) -> Tag:
        name, attributes, is_end, _ = written
        if is_end:
            take = _Reader._take_line_break if name == "br" else _Reader._take_end
            return Tag(name, "", take, ends=ENDS.get(name, 0))
        begin, closes, ends = BEGINS.get(name), CLOSES.get(name), ENDS.get(name, 0)
        tag = Tag(
            name, attributes, _Reader._take_start, begin, FINISHES.get(name), closes, name in ENDS_PARAGRAPH, ends
        )
        tag.slashed = attributes.endswith("/")
        tag.like_parent = not attributes and not self._style.styled(name)
        if name in VOID:
            tag.take, tag.begin = _Reader._take_void, VOIDS.get(name)
            if attributes:
                self._page.references.of_element(name, tag.values)
        return tag

    def _take_odd(self, odd: Odd) -> int:
        """Take a tag with odd quotes, or an element whose content is no markup; the number of tags."""
        if odd.tag is None:
            return 0
        if odd.tag.content is None:
            tag = self._tag(odd.tag)
            tag.take(self, tag)
        else:
            tag = Tag(odd.tag.name, odd.tag.attributes, _Reader._take_nothing)
            self._page.raw(tag.name, tag, odd.tag.content)
        return 1

    def _take_nothing(self, tag: Tag) -> None:
        """Take a tag that does nothing."""

    def _take_start(self, tag: Tag) -> None:
        page = self._page
        page.after_pre = False
        if page.look.unread and tag.name in OUT_OF_DRAWING:
            self._pop(self._open.closed_by("svg"))
        open_ = self._open
        if tag.ends_paragraph and open_.count.get("p"):
            self._pop(open_.last(("p",), _PARAGRAPH_SCOPE), "p")
        if tag.closes is not None:
            names, between = tag.closes
            if (last := open_.names[-1]) not in between or last in names:
                self._pop(open_.last(names, between), tag.name)
        if tag.slashed and (page.look.unread or tag.name == "svg" or ":" in tag.name):
            return
        around = self._push(tag)
        if tag.begin is not None:
            tag.begin(page, tag, around)

    def _take_void(self, tag: Tag) -> None:
        page = self._page
        page.after_pre = False
        if page.look.unread and tag.name in OUT_OF_DRAWING:
            self._pop(self._open.closed_by("svg"))
        if tag.ends_paragraph and self._open.count.get("p"):
            self._pop(self._open.last(("p",), _PARAGRAPH_SCOPE), "p")
        if tag.begin is not None and not page.look.unread:
            tag.begin(page, tag, page.look)

    def _take_line_break(self, tag: Tag) -> None:
        """Take the end tag of a line break, which is one."""
        self._page.after_pre = False
        if not self._page.look.unread:
            self._page.line_break(tag, self._page.look)

    def _take_end(self, tag: Tag) -> None:
        page, open_, name = self._page, self._open, tag.name
        page.after_pre = False
        if open_.names[-1] == name:
            self._pop_last()
            return
        place = open_.closed_by(name)
        if place >= 0:
            self._pop(place, name)
        elif name == "p":
            page.begin_block(tag, page.look)

    def _push(self, tag: Tag) -> Appearance:
        """Open an element; returns the appearance around it."""
        if self._open.full():
            self._pop(len(self._open.names) - 1)
        around = look = self._page.look
        if not tag.like_parent:
            look = tag.looks.get(around) or self._new_look(tag, around)
            self._page.look = look
        self._open.push(tag, look)
        return around

    def _new_look(self, tag: Tag, around: Appearance) -> Appearance:
        self._looks += 1
        self._page.references.of_element(tag.name, tag.values)
        found = tag.looks[around] = self._style.within(around, tag.name, tag.values)
        return found

    def _pop_last(self) -> None:
        """Close the innermost element."""
        tag, look = self._open.pop_last()
        if look.hidden:
            self._page.hidden.close()
        if tag.finish is not None:
            tag.finish(self._page, tag, look)
        self._page.look = self._open.elements[-1][1]

    def _pop(self, place: int, name: str = "") -> None:
        """Close the open elements from *place* on, because the tag *name* came."""
        if place < 0:
            return
        if place == len(self._open.names) - 1:
            self._pop_last()
            return
        gone = self._open.pop(place)
        again = self._open.reopened(gone, gone[-1][0].name) if name and gone else []
        kept = set(map(id, again))
        for element in gone:
            if id(element) not in kept:
                self._finish(*element)
        self._page.look = self._open.elements[-1][1]
        for tag, _ in again:
            self._push(tag)

    def _finish(self, tag: Tag, look: Appearance) -> None:
        if look.hidden:
            self._page.hidden.close()
        if tag.finish is not None:
            tag.finish(self._page, tag, look)
