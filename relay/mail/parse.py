"""Parse a message into a `ParsedMail`: text, HTML, attachments and headers.

Do not call this in the SMTP transaction or on the event loop: a large message takes tens of
milliseconds. Never raises, for any input.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

from relay.mail.body import MailBody, cut, join_bodies
from relay.mail.decode import decode_value
from relay.mail.headers import Headers, split_headers
from relay.mail.html_text.read_html import read_html
from relay.mail.parsed_mail import Attachment, ParsedMail, Part
from relay.mail.part import Leaf, body_leaves, leaves
from relay.mail.tree import read_tree

MAX_ATTACHMENTS: Final = 1000
MAX_HEADERS: Final = 1000


def parse(raw: bytes, headers: Headers | None = None) -> ParsedMail:
    """Parse *raw*, a complete message with CRLF line ends."""
    headers = headers or split_headers(raw)
    tree = read_tree(raw, headers)
    found = list(leaves(tree))
    plain, html = _bodies(found)
    others = _others(found)
    text, cut_here = cut(read_html(html.text).text) if plain is None and html else (plain.text if plain else "", False)
    shown = [body for body in (plain, html) if body]
    return ParsedMail(
        text=text,
        html=html.text if html else None,
        charset_used=shown[0].charset if shown else None,
        truncated=cut_here or any(body.truncated for body in shown),
        attachments=tuple(_listed(index, leaf) for index, leaf in enumerate(others[:MAX_ATTACHMENTS])),
        attachments_truncated=len(others) > MAX_ATTACHMENTS,
        headers=_header_list(headers),
        defects=(*_header_defects(headers), *tree.defects, *_leaf_defects(found, len(others))),
    )


def attachment(raw: bytes, index: int) -> Part | None:
    """The part listed as ``parse(raw).attachments[index]``; None without such a part."""
    others = _others(list(leaves(read_tree(raw, split_headers(raw)))))[:MAX_ATTACHMENTS]
    if not 0 <= index < len(others):
        return None
    leaf = others[index]
    return Part(content=leaf.read(), content_type=leaf.content_type, filename=leaf.filename)


def attachments(raw: bytes) -> Iterator[Part]:
    """The parts listed in ``parse(raw).attachments``, in the same order."""
    for leaf in _others(list(leaves(read_tree(raw, split_headers(raw)))))[:MAX_ATTACHMENTS]:
        yield Part(content=leaf.read(), content_type=leaf.content_type, filename=leaf.filename)


def _bodies(found: Sequence[Leaf]) -> tuple[MailBody | None, MailBody | None]:
    return join_bodies(body_leaves(found, "text/plain")), join_bodies(body_leaves(found, "text/html"))


def _others(found: Sequence[Leaf]) -> list[Leaf]:
    """All leaves that are not part of the body."""
    body = {id(leaf) for kind in ("text/plain", "text/html") for leaf in body_leaves(found, kind)}
    return [leaf for leaf in found if id(leaf) not in body]


def _listed(index: int, leaf: Leaf) -> Attachment:
    size, digest = 0, sha256()
    for piece in leaf.pieces():
        size += len(piece)
        digest.update(piece)
    return Attachment(
        index=index,
        filename=leaf.filename,
        content_type=leaf.content_type,
        size=size,
        sha256=digest.hexdigest(),
        content_id=leaf.content_id,
        inline=leaf.inline,
    )


def _header_list(headers: Headers) -> tuple[tuple[str, str], ...]:
    named = (field for field in headers.fields if field.name)
    return tuple(
        (field.raw.partition(b":")[0].strip(b" \t").decode("ascii"), decode_value(field.value))
        for field in islice(named, MAX_HEADERS)
    )


def _header_defects(headers: Headers) -> list[str]:
    defects: list[str] = []
    if any(not field.name for field in headers.fields):
        defects.append("a line of the header section is not a header field")
    if len(headers.fields) > MAX_HEADERS:
        defects.append(f"only the first {MAX_HEADERS} header fields are listed")
    return defects


def _leaf_defects(found: Sequence[Leaf], others: int) -> list[str]:
    defects = list(dict.fromkeys(defect for leaf in found if (defect := leaf.defect)))
    if others > MAX_ATTACHMENTS:
        defects.append(f"only the first {MAX_ATTACHMENTS} of {others} attachments are listed")
    return defects
