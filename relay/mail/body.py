"""The text of a body: its pieces decoded, joined and cut to what an event may carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.decode import clean_text, decode_bytes
from relay.mail.part import Leaf

BODY_LIMIT: Final = 256 * 1024  # bytes of UTF-8, contract §5
_READ_LIMIT: Final = 4 * BODY_LIMIT  # the widest encoding has four bytes a character


@dataclass(frozen=True, slots=True)
class MailBody:
    """One body: plain text, or HTML."""

    text: str  # clean, LF line ends
    charset: str  # that the first piece was read by
    truncated: bool


def join_bodies(found: Sequence[Leaf]) -> MailBody | None:
    """The pieces of one body behind each other, each beginning a line; None without any."""
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
    """*text* to 256 KiB of UTF-8, on a character's boundary, and whether that took anything away."""
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
