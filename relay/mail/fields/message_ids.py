"""Read the message ids of Message-ID, In-Reply-To and References (RFC 5322 §3.6.4), leniently.

An id may be written as encoded words, folded in its middle, or without its brackets. Linear in the input; never raises.
"""

import re
from collections.abc import Sequence
from typing import Final

from relay.mail.decode import decode_value

MAX_IDS: Final = 100
_MAX_BYTES: Final = 64 * 1024
_MAX_LENGTH: Final = 900  # bytes of one id
_ID: Final = re.compile(rb"<([^<>]{1,%d})>" % _MAX_LENGTH)
_BLANKS: Final = re.compile(rb"[ \t\r\n]+")
_BETWEEN: Final = re.compile(rb"[ \t\r\n,;]+")


def message_ids(raw: bytes) -> tuple[str, ...]:
    """The distinct message ids in an unfolded value, in order and with their angle brackets, at most 100.

    Of more the first is kept, which is the root of the conversation, and the newest 99. Words without angle brackets
    count where each of them has an ``@``.
    """
    if len(raw) > _MAX_BYTES:
        raw = raw[: 2 * _MAX_LENGTH].rpartition(b">")[0] + b"> " + raw[-_MAX_BYTES:]
    if b"=?" in raw:  # RFC 2047 §5 forbids it, but programs that fold long ids write it
        raw = decode_value(raw, limit=2 * _MAX_BYTES).encode("utf-8", "replace")
    found = [_joined(inside) for inside in _ID.findall(raw)] or _bare(raw)
    unique = dict.fromkeys(f"<{text}>" for text in map(_as_text, found) if text)
    return _ends(tuple(unique))


def _joined(inside: bytes) -> bytes:
    """An id without the blanks that a fold left in it; empty for words without an ``@``.

    A quoted local part keeps its blanks (RFC 5322 §4.5.4).
    """
    inside = inside.strip(b" \t")
    if b" " not in inside and b"\t" not in inside:
        return inside
    quoted, at, domain = inside.rpartition(b'"@')
    if at and quoted.startswith(b'"'):
        return quoted + at + _BLANKS.sub(b"", domain)
    return _BLANKS.sub(b"", inside) if b"@" in inside else b""


def _bare(raw: bytes) -> Sequence[bytes]:
    words = [word.strip(b"<>") for word in _BETWEEN.split(raw, maxsplit=MAX_IDS) if word]
    return words if all(b"@" in word[1:-1] and len(word) <= _MAX_LENGTH for word in words) else ()


def _as_text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable())


def _ends(ids: tuple[str, ...]) -> tuple[str, ...]:
    return ids if len(ids) <= MAX_IDS else (ids[0], *ids[1 - MAX_IDS :])
