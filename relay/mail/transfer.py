"""Decode Content-Transfer-Encoding: base64 and quoted-printable (RFC 2045 §6).

Lenient, in pieces of one megabyte: listing attachments never holds a whole attachment in memory,
and each call into C holds the interpreter lock for a millisecond, not for a hundred.
"""

from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from typing import Final

_PIECE: Final = 1024 * 1024
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))


def decode_pieces(mail: bytes, start: int, end: int, encoding: str) -> Iterator[bytes]:
    """Decode the bytes of *mail* between *start* and *end*, piece by piece.

    *encoding* is the value of the header field. For an unknown encoding the bytes are unchanged.
    """
    words = encoding.partition(";")[0].split()
    word = words[0].lower().strip("\"'") if words else ""
    if word == "base64":
        return _base64(mail, start, end)
    return _quoted_printable(mail, start, end) if word == "quoted-printable" else _as_is(mail, start, end)


def decode_base64(data: bytes) -> bytes:
    """Decode *data*, skipping invalid bytes, up to the first padding (RFC 2045 §6.8)."""
    return b"".join(_base64(data, 0, len(data)))


def is_base64(mail: bytes, start: int, end: int) -> bool:
    """Whether the range holds only the base64 alphabet and white space."""
    pieces = (mail[at : min(at + _PIECE, end)] for at in range(start, end, _PIECE))
    return not any(piece.translate(None, _BASE64 + b" \t\r\n") for piece in pieces)


def _base64(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    kept = b""
    for at in range(start, end, _PIECE):
        kept += mail[at : min(at + _PIECE, end)].translate(None, _NOT_BASE64)
        kept, padding, _ = kept.partition(b"=")
        if padding:
            break
        whole = len(kept) - len(kept) % 4
        yield a2b_base64(kept[:whole])
        kept = kept[whole:]
    if len(kept) % 4 == 1:
        kept = kept[:-1]  # six remaining bits are not a byte
    yield a2b_base64(kept + b"=" * (-len(kept) % 4))


def _quoted_printable(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        # Pieces end at a line end, so that no escape and no soft line break is cut.
        line_end = mail.find(b"\n", min(start + _PIECE, end), end)
        piece_end = line_end + 1 if line_end >= 0 else end
        yield a2b_qp(mail[start:piece_end])
        start = piece_end


def _as_is(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        yield mail[at : min(at + _PIECE, end)]
