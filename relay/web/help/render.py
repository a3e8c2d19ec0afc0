"""Markdown as HTML: CommonMark with tables; HTML in a document is shown as text, never as markup. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from relay.web.help.links import slug, target, unique

_BLOCK_COLUMNS: Final = 3  # a table with fewer fits on a phone
_LINKS: Final = {"link_open": "href", "image": "src"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpPage:
    """A document, rendered."""

    title: str  # its first heading
    sections: tuple[tuple[str, str], ...]  # anchor and text of each heading of the second level
    html: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading of a document."""

    level: int  # 1 to 6
    text: str  # without markup
    anchor: str


def parse(markdown: str) -> list[Token]:
    """The tokens of a document."""
    return _reader().parse(markdown)


def render(name: str, markdown: str) -> HelpPage:
    """The document *markdown* of the page *name* as HTML: headings have anchors, links lead to other help pages."""
    tokens = parse(markdown)
    found = list(headings(tokens))
    for token, heading in zip(_opening(tokens), found, strict=True):
        token.attrSet("id", heading.anchor)
    for token, attribute in links(tokens):
        token.attrSet(attribute, target(name, str(token.attrs[attribute])))
    for table in _tables(tokens):
        _label_cells(table)
    html = _reader().renderer.render(_scrollable(tokens), _reader().options, {})
    return HelpPage(
        title=next((each.text for each in found), name),
        sections=tuple((each.anchor, each.text) for each in found if each.level == 2),
        html=Markup(html),  # noqa: S704 (a document of ours; the reader escapes what it holds)
    )


def headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    """The headings of a document, in its order."""
    taken: dict[str, Heading] = {}
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(each.content for each in inline.children or ())
            anchor = unique(slug(text), taken)
            taken[anchor] = Heading(level=int(opening.tag[1:]), text=text, anchor=anchor)
            yield taken[anchor]


def links(tokens: Iterable[Token]) -> Iterator[tuple[Token, str]]:
    """The tokens that lead to an address, each with the attribute that holds it."""
    for token in tokens:
        if token.type in _LINKS:
            yield token, _LINKS[token.type]
        yield from links(token.children or ())


def _opening(tokens: Iterable[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.type == "heading_open")


def _tables(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens of each table of a document."""
    starts = [at for at, token in enumerate(tokens) if token.type == "table_open"]
    ends = [at for at, token in enumerate(tokens) if token.type == "table_close"]
    yield from (tokens[start:end] for start, end in zip(starts, ends, strict=True))


def _label_cells(table: Sequence[Token]) -> None:
    """Name the column in each cell of a table of three or more columns: on a phone its rows become blocks."""
    titles = [inline.content for opening, inline in pairwise(table) if opening.type == "th_open"]
    if len(titles) < _BLOCK_COLUMNS:
        return
    table[0].attrSet("class", "list")
    cells = (token for token in table if token.type == "td_open")
    for number, cell in enumerate(cells):
        if column := number % len(titles):
            cell.attrSet("data-label", titles[column].replace("`", ""))


def _scrollable(tokens: Iterable[Token]) -> list[Token]:
    """The tokens with a box around each table, which scrolls where a screen is narrower than the table."""
    box: Mapping[str, tuple[Token, ...]] = {
        "table_open": (Token("box_open", "div", 1, attrs={"class": "scroll"}, block=True),),
        "table_close": (Token("box_close", "div", -1, block=True),),
    }
    boxed: list[Token] = []
    for token in tokens:
        around = box.get(token.type, ())
        boxed += [token, *around] if token.nesting < 0 else [*around, token]
    return boxed


def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
