"""Decode the parts of a message body and join them, cut to 256 KiB of UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.mail.coding.uuencode import take_uuencoded
from relay.mail.decode import clean_text, decode_bytes
from relay.mail.flowed import unflow
from relay.mail.html_text.html_text import HtmlText
from relay.mail.html_text.read_html import read_html
from relay.mail.part import Leaf
from relay.mail.unpack.enriched import ENRICHED_TYPES, enriched_text

BODY_LIMIT: Final = 256 * 1024  # bytes of UTF-8, docs/contract.md §5
MAX_BODY_PARTS: Final = 1000
_READ_LIMIT: Final = 4 * BODY_LIMIT  # the widest encoding uses four bytes for a character
# What a text that shows nothing consists of, with the white space.
_UNSEEN: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f"
_UUENCODED: Final = b"begin"


@dataclass(frozen=True, slots=True)
class MailBody:
    """Decoded text or HTML."""

    text: str  # no control characters, LF line ends
    charset: str  # used to decode the first part
    truncated: bool


@dataclass(slots=True)
class HtmlBudget:
    """What may still be read of pages, in a message and the mails inside it."""

    characters: int = 2 * BODY_LIMIT
    pages: int = 500


class BodyReader:
    """Decodes the text of leaves, each once."""

    def __init__(self, html: HtmlBudget) -> None:
        self._html = html
        self._decoded: dict[int, MailBody] = {}
        self._words: dict[int, MailBody] = {}
        self._pages: dict[int, HtmlText] = {}
        self._files: dict[int, tuple[tuple[str, bytes], ...]] = {}

    def decoded(self, leaf: Leaf) -> MailBody:
        """The text of *leaf* as the sender wrote it, without uuencoded files."""
        if id(leaf) not in self._decoded:
            self._decoded[id(leaf)] = self._decode(leaf)
        return self._decoded[id(leaf)]

    def words(self, leaf: Leaf) -> MailBody:
        """The text of *leaf* as a person reads it."""
        if id(leaf) not in self._words:
            body = self.decoded(leaf)
            is_page = leaf.content_type == "text/html"
            text, truncated = cut(self.page(leaf).text if is_page else _words(leaf, body.text))
            truncated = truncated or (is_page and self.page(leaf).truncated)
            truncated = truncated or (is_page and self.page(leaf).truncated)
            self._words[id(leaf)] = MailBody(text, body.charset, body.truncated or truncated)
        return self._words[id(leaf)]

    def page(self, leaf: Leaf) -> HtmlText:
        """What the HTML of *leaf* says."""
        if id(leaf) not in self._pages:
            html = self.decoded(leaf).text
            given = html[: max(self._html.characters, 0)] if self._html.pages > 0 else ""
            self._html.characters -= len(given)
            self._html.pages -= 1
            page = read_html(given)
            self._pages[id(leaf)] = page if len(given) == len(html) else replace(page, truncated=True)
        return self._pages[id(leaf)]

    def is_blank(self, leaf: Leaf) -> bool:
        """Whether the text of *leaf* shows nothing."""
        text = self.decoded(leaf).text
        return not text.strip() or not text.strip(_UNSEEN).translate(_WITHOUT_UNSEEN).strip()

    def files(self, leaf: Leaf) -> tuple[tuple[str, bytes], ...]:
        """The uuencoded files in the text of *leaf*: name and content."""
        self.decoded(leaf)
        return self._files.get(id(leaf), ())

    def join(self, found: Sequence[Leaf], *, words: bool) -> MailBody | None:
        """Join the parts of one body, each on a new line; None if there are no parts."""
        bodies: list[MailBody] = []
        size = 0
        for leaf in found[:MAX_BODY_PARTS]:
            if size > BODY_LIMIT:
                break
            bodies.append(self.words(leaf) if words else self.decoded(leaf))
            size += len(bodies[-1].text)
        if not bodies:
            return None
        shown = [body.text for body in bodies if body.text.strip()] or [bodies[-1].text]
        pieces = [text if text.endswith("\n") else text + "\n" for text in shown[:-1]]
        text, truncated = cut("".join(pieces) + shown[-1])
        truncated = truncated or len(bodies) < len(found) or any(body.truncated for body in bodies)
        return MailBody(text, bodies[0].charset, truncated)

    def _decode(self, leaf: Leaf) -> MailBody:
        content = leaf.read(_READ_LIMIT)
        if leaf.content_type == "text/plain" and _UUENCODED in content:
            content = self._without_files(leaf)
        text, charset = decode_bytes(content[:_READ_LIMIT], leaf.charset, html=leaf.content_type == "text/html")
        cleaned, truncated = cut(clean_text(text))
        return MailBody(cleaned, charset, truncated or len(content) > _READ_LIMIT)

    def _without_files(self, leaf: Leaf) -> bytes:
        # Latin-1 keeps the bytes; the charset is decoded in what is left.
        text, files = take_uuencoded(leaf.read().decode("latin-1"))
        self._files[id(leaf)] = tuple(
            (name.encode("latin-1", "replace").decode("utf-8", "replace"), content) for name, content in files
        )
        return text.encode("latin-1")


_WITHOUT_UNSEEN: Final = dict.fromkeys(map(ord, _UNSEEN))


def cut(text: str) -> tuple[str, bool]:
    """Cut *text* to 256 KiB of UTF-8 at a character boundary; also whether it was cut."""
    if len(text) * 4 <= BODY_LIMIT:
        return text, False
    data = text.encode("utf-8")
    if len(data) <= BODY_LIMIT:
        return text, False
    return data[:BODY_LIMIT].decode("utf-8", "ignore"), True


def _words(leaf: Leaf, text: str) -> str:
    if leaf.content_type in ENRICHED_TYPES:
        return enriched_text(text)
    if leaf.parameters.get("format", "").lower() == "flowed":
        return unflow(text, delsp=leaf.parameters.get("delsp", "").lower() == "yes")
    return text
