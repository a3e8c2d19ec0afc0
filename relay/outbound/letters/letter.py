"""A letter of the relay: its own paragraphs, quotations and one link, as a draft in text and HTML. Pure.

Text by senders and agents is quoted behind a bar on each line, in lines that mail readers do not wrap, without control
or bidirectional characters: it cannot look like a sentence, or a link, of the letter itself.
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
_WIDTH: Final = 72  # of a quoted line
_FONT: Final = "font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;max-width:42em"
_QUOTE: Final = (
    "margin:0 0 1em;padding:.5em 1em;border-left:4px solid #888;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font-family:ui-monospace,monospace;font-size:14px"
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of the letter itself, on one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text by a sender or an agent, with any line ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """The one link of the letter."""

    url: str


Block = Paragraph | Quoted | Link


def letter_draft(recipient: str, subject: str, blocks: Sequence[Block]) -> Draft:
    """The letter as a draft, with the same words in text and HTML."""
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
    """*text* split at every character that a mail reader takes as a line end, each line printable."""
    cut = text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}\n{_CUT}"
    return [as_line(line.expandtabs(4)).rstrip() for line in cut.splitlines()] or [""]


def _pieces(line: str) -> list[str]:
    return wrap(line, _WIDTH, break_on_hyphens=False) or [""]
