"""Decode and join the parts of a message body, cut to 256 KiB of UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.decode import clean_text, decode_bytes
from relay.mail.part import Leaf

BODY_LIMIT: Final = 256 * 1024  # bytes of UTF-8, docs/contract.md §5
_READ_LIMIT: Final = 4 * BODY_LIMIT  # the widest encoding uses four bytes for a character


@dataclass(frozen=True, slots=True)
class MailBody:
    """One decoded body: plain text or HTML."""

    text: str  # no control characters, LF line ends
    charset: str  # used to decode the first part
    truncated: bool


def join_bodies(found: Sequence[Leaf]) -> MailBody | None:
    """Join the parts of one body, each on a new line; None if there are no parts."""
    bodies: list[MailBody] = []
    size = 0
    for leaf in found:
        if size > BODY_LIMIT:
            break
        bodies.append(_decode(leaf))
        size += len(bodies[-1].text)
    if not bodies:
        return None
    pieces = [body.text if body.text.endswith("\n") else body.text + "\n" for body in bodies[:-1] if body.text]
    text, truncated = cut("".join(pieces) + bodies[-1].text)
    truncated = truncated or len(bodies) < len(found) or any(body.truncated for body in bodies)
    return MailBody(text, bodies[0].charset, truncated)


def cut(text: str) -> tuple[str, bool]:
    """Cut *text* to 256 KiB of UTF-8 at a character boundary; also whether it was cut."""
    if len(text) * 4 <= BODY_LIMIT:
        return text, False
    data = text.encode("utf-8")
    if len(data) <= BODY_LIMIT:
        return text, False
    return data[:BODY_LIMIT].decode("utf-8", "ignore"), True


def _decode(leaf: Leaf) -> MailBody:
    content = leaf.read(_READ_LIMIT)
    text, charset = decode_bytes(content[:_READ_LIMIT], leaf.charset)
    cleaned, truncated = cut(clean_text(text))
    return MailBody(cleaned, charset, truncated or len(content) > _READ_LIMIT)
