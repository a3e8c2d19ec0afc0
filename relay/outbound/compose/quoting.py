"""Quote an earlier message: below a reply, or in a forward with its header.

In HTML it is escaped text only: untrusted markup is not sent under an agent's name.
"""

from html import escape
from typing import Final

from relay.mail.fields.mailbox import Mailbox
from relay.outbound.compose.original import Original
from store.names import as_line

MAX_QUOTED: Final = 64 * 1024  # characters; the rest is in the reader's own mailbox
_CUT: Final = "[…]"
_RULE: Final = "---------- Forwarded message ----------"


def quoted_below(original: Original, text: str | None, html: str | None) -> tuple[str | None, str | None]:
    """Text and HTML of a reply with *original* quoted below: in HTML where there is some, in text where not."""
    line, earlier = _attribution(original), _cut(original.text)
    marked = "\n".join(f"> {each}" if each and not each.startswith(">") else f">{each}" for each in earlier.split("\n"))
    quote = f'<blockquote type="cite">{_html(earlier)}</blockquote>'
    return _joined(text, html, f"{line}\n{marked}\n", f"<div>{escape(line)}</div>{quote}")


def forwarded_below(original: Original, text: str | None, html: str | None) -> tuple[str | None, str | None]:
    """Text and HTML of a forward: the main header fields of *original*, and its text."""
    forwarded = "\n".join([_RULE, *_header_lines(original), "", original.text])
    return _joined(text, html, forwarded, _html(forwarded))


def _joined(text: str | None, html: str | None, below: str, below_html: str) -> tuple[str | None, str | None]:
    joined_html = _within(html, below_html) if html else None
    if html and not text:
        return None, joined_html
    return (f"{text}\n\n{below}" if text else below), joined_html


def _within(html: str, below: str) -> str:
    """Insert *below* at the end of the document *html*."""
    end = html.lower().rfind("</body")
    if end < 0 or len(html.lower()) != len(html):  # a few letters grow when lowered, and positions must agree
        end = len(html)
    return f"{html[:end]}<br>{below}{html[end:]}"


def _html(text: str) -> str:
    return f'<div style="white-space:pre-wrap">{escape(text)}</div>'


def _cut(text: str) -> str:
    text = text.rstrip()
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}\n{_CUT}"


def _attribution(original: Original) -> str:
    who = _shown(original.from_) if original.from_ else "the sender"
    when = f"On {original.date:%Y-%m-%d at %H:%M} UTC, " if original.date else ""
    return f"{when}{who} wrote:"


def _header_lines(original: Original) -> list[str]:
    from_ = (original.from_,) if original.from_ else ()
    lines = [_people("From", from_), _people("To", original.to), _people("Cc", original.cc)]
    date = f"Date: {original.date:%Y-%m-%d %H:%M} UTC" if original.date else ""
    return [line for line in (lines[0], date, f"Subject: {as_line(original.subject)}", *lines[1:]) if line]


def _people(name: str, people: tuple[Mailbox, ...]) -> str:
    return f"{name}: {', '.join(_shown(each) for each in people)}" if people else ""


def _shown(mailbox: Mailbox) -> str:
    return as_line(f"{mailbox.name} <{mailbox.address}>" if mailbox.name else mailbox.address)
