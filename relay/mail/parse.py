"""Reads a mail: bytes in, Letter out, and one attachment's bytes when asked.

Never in the SMTP transaction and never on the event loop: a large mail takes tens of
milliseconds. Whatever the bytes are, something is answered and nothing is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final

from relay.mail.decode import clean_text, decode_bytes, decode_value
from relay.mail.headers import Headers, header_end, split_headers
from relay.mail.letter import Attachment, Letter, Part
from relay.mail.part import MAX_LEAVES, Leaf, body_leaves, leaves, readable
from relay.mail.plain import plain_text
from relay.mail.tree import read_tree, read_veiled

BODY_LIMIT: Final = 256 * 1024  # bytes of UTF-8
MAX_ATTACHMENTS: Final = 1000
MAX_HEADERS: Final = 1000
_READ_LIMIT: Final = 4 * BODY_LIMIT  # the widest encoding has four bytes a character


@dataclass(frozen=True, slots=True)
class _Body:
    text: str
    charset: str | None
    truncated: bool


_NO_BODY: Final = _Body("", None, truncated=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A mail's leaves by what they are for."""

    plain: Sequence[Leaf]
    html: Sequence[Leaf]
    others: Sequence[Leaf]  # what is listed, more than MAX_ATTACHMENTS perhaps
    defects: tuple[str, ...]


def parse(raw: bytes) -> Letter:
    """What *raw* (a whole mail with CRLF line ends) says."""
    headers = split_headers(raw)
    parts = _read_parts(raw, headers)
    if parts is None:
        plain, html, parts = _bare_body(raw), None, _Parts((), (), (), ("the structure of the mail cannot be read",))
    else:
        plain, html = _join(parts.plain), _join(parts.html) if parts.html else None
    text = plain.text if parts.plain or html is None else plain_text(html.text)
    cut_text, cut = _cut(text)
    return Letter(
        text=cut_text,
        html=html.text if html else None,
        charset_used=plain.charset or (html.charset if html else None),
        truncated=cut or plain.truncated or (html is not None and html.truncated),
        attachments=tuple(_listed(index, leaf) for index, leaf in enumerate(parts.others[:MAX_ATTACHMENTS])),
        attachments_truncated=len(parts.others) > MAX_ATTACHMENTS,
        headers=_header_list(headers),
        defects=parts.defects + _header_defects(headers),
    )


def attachment(raw: bytes, index: int) -> Part | None:
    """The part that ``parse(raw).attachments[index]`` lists; None when it lists no such one."""
    parts = _read_parts(raw, split_headers(raw))
    if parts is None or not 0 <= index < min(len(parts.others), MAX_ATTACHMENTS):
        return None
    leaf = parts.others[index]
    return Part(content=leaf.content, content_type=leaf.content_type, filename=leaf.filename)


def _read_parts(raw: bytes, headers: Headers) -> _Parts | None:
    """The leaves of a mail; None when it has no structure, or one without any leaf."""
    tree = read_tree(raw, headers)
    defects: list[str] = []
    found = list(islice(leaves(tree), MAX_LEAVES + 1)) if tree else []
    if tree and not tree.veil and not readable(found):
        tree = read_veiled(raw, headers)
        found = list(islice(leaves(tree), MAX_LEAVES + 1)) if tree else []
    if tree and tree.veil:
        defects.append("a transfer encoding is damaged: what could be decoded is given")
    if not found and not _is_empty(raw):
        return None
    if len(found) > MAX_LEAVES:
        defects.append(f"only the first {MAX_LEAVES} parts were read")
    return _sort(found[:MAX_LEAVES], defects)


def _sort(found: Sequence[Leaf], defects: list[str]) -> _Parts:
    plain, html = body_leaves(found, "text/plain"), body_leaves(found, "text/html")
    body = {id(leaf) for leaf in (*plain, *html)}
    others = [leaf for leaf in found if id(leaf) not in body]
    if len(others) > MAX_ATTACHMENTS:
        defects.append(f"only the first {MAX_ATTACHMENTS} of {len(others)} attachments are listed")
    return _Parts(plain, html, others, tuple(defects))


def _is_empty(raw: bytes) -> bool:
    return not raw[header_end(raw) :].strip(b"\r\n")


def _bare_body(raw: bytes) -> _Body:
    """The body as one text, for a mail whose structure is beyond reading."""
    start = header_end(raw)
    return _decode(raw[start : start + _READ_LIMIT], None, truncated=len(raw) - start > _READ_LIMIT)


def _join(found: Sequence[Leaf]) -> _Body:
    """The pieces of one body behind each other, each on a line of its own."""
    bodies: list[_Body] = []
    size = 0
    for leaf in found:
        content = leaf.content
        bodies.append(_decode(content[:_READ_LIMIT], leaf.charset, truncated=len(content) > _READ_LIMIT))
        size += len(bodies[-1].text)
        if size > BODY_LIMIT:
            break
    if not bodies:
        return _NO_BODY
    pieces = [body.text if body.text.endswith("\n") else body.text + "\n" for body in bodies[:-1] if body.text]
    text, cut = _cut("".join(pieces) + bodies[-1].text)
    return _Body(text, bodies[0].charset, truncated=cut or any(body.truncated for body in bodies))


def _decode(content: bytes, charset: str | None, *, truncated: bool) -> _Body:
    text, used = decode_bytes(content, charset)
    cleaned, cut = _cut(clean_text(text))
    return _Body(cleaned, used, truncated=truncated or cut)


def _cut(text: str) -> tuple[str, bool]:
    """*text* to 256 KiB of UTF-8, on a character's boundary, and whether that took anything away."""
    if len(text) * 4 <= BODY_LIMIT:
        return text, False
    data = text.encode("utf-8")
    if len(data) <= BODY_LIMIT:
        return text, False
    return data[:BODY_LIMIT].decode("utf-8", "ignore"), True


def _listed(index: int, leaf: Leaf) -> Attachment:
    content = leaf.content
    return Attachment(
        index=index,
        filename=leaf.filename,
        content_type=leaf.content_type,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        content_id=leaf.content_id,
        inline=leaf.inline,
    )


def _header_list(headers: Headers) -> tuple[tuple[str, str], ...]:
    named = (field for field in headers.fields if field.name)
    return tuple(
        (field.raw.partition(b":")[0].strip(b" \t").decode("ascii"), decode_value(field.value))
        for field in islice(named, MAX_HEADERS)
    )


def _header_defects(headers: Headers) -> tuple[str, ...]:
    defects: list[str] = []
    if any(not field.name for field in headers.fields):
        defects.append("a line of the header section is not a header field")
    if len(headers.fields) > MAX_HEADERS:
        defects.append(f"only the first {MAX_HEADERS} header fields are listed")
    return tuple(defects)
