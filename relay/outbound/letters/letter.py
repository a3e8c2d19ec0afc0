"""A letter of the relay's own: what it says, what it only quotes, and where it leads. Pure.

What strangers and agents wrote stands behind a bar on every line, in lines so short that no reader wraps them, and
with no sign in it that could end a line or turn its direction: it cannot pass for a word, or a link, of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Final

from store.names import as_line
from store.outbound.outbound import MAX_SUBJECT
from store.records.outbound import Draft

MAX_QUOTED: Final = 64 * 1024  # characters of one quotation; the page has the rest
_CUT: Final = "[… the page shows the rest]"
_BAR: Final = "| "
_WIDTH: Final = 72  # of what stands behind a bar
_FONT: Final = "font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;max-width:42em"
_QUOTE: Final = (
    "margin:0 0 1em;padding:.5em 1em;border-left:4px solid #888;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-family:ui-monospace,monospace;font-size:14px"
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of ours, on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """What somebody else wrote, in lines of whatever kind."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """The one address that the letter leads to."""

    url: str


Block = Paragraph | Quoted | Link


def letter_draft(recipient: str, subject: str, blocks: Sequence[Block]) -> Draft:
    """The letter as a draft like any other, in text and in HTML that say the same."""
    return Draft(
        to=(recipient,),
        subject=as_line(subject)[:MAX_SUBJECT].strip(),
        text="\n\n".join(_text(block) for block in blocks) + "\n",
        html=f'<div style="{_FONT}">{"".join(_html(block) for block in blocks)}</div>',
    )


def _text(block: Block) -> str:
    match block:
        case Paragraph(text):
            return "\n".join(wrap(text, _WIDTH + len(_BAR)))
        case Quoted(text):
            return "\n".join(_BAR + piece for line in _lines(text) for piece in _pieces(line))
        case Link(url):
            return url


def _html(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Quoted(text):
            lines = "\n".join(_lines(text))
            return f'<blockquote style="{_QUOTE}">{escape(lines)}</blockquote>'
        case Link(url):
            return f'<p><a href="{escape(url)}">{escape(url)}</a></p>'


def _lines(text: str) -> list[str]:
    """*text* in lines, by every sign that some reader takes for a line's end, each of printable signs alone."""
    cut = text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}\n{_CUT}"
    return [as_line(line.expandtabs(4)).rstrip() for line in cut.splitlines()] or [""]


def _pieces(line: str) -> list[str]:
    return wrap(line, _WIDTH, break_on_hyphens=False) or [""]
