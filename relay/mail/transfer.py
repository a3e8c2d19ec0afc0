"""Decode Content-Transfer-Encoding: base64, quoted-printable and uuencode (RFC 2045 §6).

Lenient, in pieces of one megabyte: listing attachments never holds a whole attachment in memory,
and each call into C holds the interpreter lock for a millisecond, not for a hundred.
"""

import re
from binascii import a2b_qp
from collections.abc import Iterator
from typing import Final

from relay.mail.coding.base64_body import base64_pieces, is_base64, is_plain
from relay.mail.coding.uuencode import decode_uuencoded

_PIECE: Final = 1024 * 1024
_WORD: Final = re.compile(r"""[\s"']*(?:\([^()]*\)\s*)?([\w.-]+)""")
_COMMON: Final = frozenset({"7bit", "8bit", "binary", "base64", "quoted-printable", ""})
_UNDERSTOOD: Final = _COMMON | {"uuencode"}
_UUENCODE: Final = frozenset({"uuencode", "uue"})
# RFC 2045 §6.7: blanks at the end of a line, also behind a soft line break, were added on the way.
# One pass over these removes any run of blanks that a line of 998 characters can hold.
_LINE_END_BLANKS: Final = (*(b" " * 2**power + b"\r\n" for power in range(9, -1, -1)), b"\t\r\n")
_MAX_TRIMS: Final = 8  # runs of tabs and blanks, mixed


def encoding_name(encoding: str) -> str:
    """The encoding that a header value means: ``base64``, ``quoted-printable``, ``uuencode``, or as written.

    Typing errors of known names are accepted: ``quoted_printable``, ``base-64``, ``x-uuencode``.
    """
    encoding = encoding.strip().lower()
    if encoding in _COMMON:
        return encoding
    found = _WORD.match(encoding)
    word = found[1] if found else ""
    key = word.replace("-", "").replace("_", "").removeprefix("x")
    if key in ("base64", "b64"):
        return "base64"
    if key in ("quotedprintable", "quoteprintable", "qp"):
        return "quoted-printable"
    return "uuencode" if key in _UUENCODE else word


def decode_pieces(mail: bytes, start: int, end: int, encoding: str, *, text: bool = False) -> Iterator[bytes]:
    """Decode the bytes of *mail* between *start* and *end*, piece by piece.

    Args:
        mail: The complete message.
        start: Offset of the first byte.
        end: Offset behind the last byte.
        encoding: The value of the header field. For an unknown encoding the bytes are unchanged.
        text: Whether the content must be text. Plain words that are declared base64 then stay as they are.
    """
    name = encoding_name(encoding)
    if name == "base64":
        return base64_pieces(mail, start, end, text=text)
    if name == "quoted-printable":
        return _quoted_printable(mail, start, end)
    if name == "uuencode" and (content := decode_uuencoded(mail[start:end])) is not None:
        return iter((content,))
    return _as_is(mail, start, end)


def transfer_defect(mail: bytes, start: int, end: int, encoding: str, *, text: bool = False) -> str | None:
    """What is wrong with the encoding of a part, as a sentence; None if nothing is."""
    name = encoding_name(encoding)
    if name == "base64":
        if is_base64(mail, start, end):
            return None
        if is_plain(mail, start, end, text=text):
            return "a part declared base64 is no base64: its bytes are given as they are"
        return "a base64 part holds invalid bytes, which were skipped"
    return None if name in _UNDERSTOOD else "a part has an unknown transfer encoding: its bytes are given as they are"


def _quoted_printable(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    for piece in _line_pieces(mail, start, end):
        yield _decode_qp(piece)


def _line_pieces(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    """Pieces that end at a line end, so that no escape and no soft line break is cut; without added blanks."""
    while start < end:
        line_end = mail.find(b"\n", min(start + _PIECE, end), end)
        piece_end = line_end + 1 if line_end >= 0 else end
        piece = _trimmed(mail[start:piece_end])
        yield piece if piece_end < end else piece.rstrip(b" \t")
        start = piece_end


def _trimmed(piece: bytes) -> bytes:
    """*piece* without blanks at the ends of its lines. A bounded number of passes in C."""
    for _ in range(_MAX_TRIMS):
        if b" \r\n" not in piece and (b"\t" not in piece or b"\t\r\n" not in piece):
            break
        for blanks in _LINE_END_BLANKS:
            piece = piece.replace(blanks, b"\r\n")
    return piece


def _decode_qp(piece: bytes) -> bytes:
    decoded = a2b_qp(piece)
    return decoded if _is_exact(piece, decoded) else a2b_qp(_escaped(piece))


def _is_exact(piece: bytes, decoded: bytes) -> bool:
    """Whether *piece* is shorter by all its escapes (two bytes each) and soft line breaks (three).

    Line ends that are gone are soft line breaks; counting single bytes is cheap.
    """
    soft = piece.count(b"\n") - decoded.count(b"\n")
    last = piece.endswith(b"=")
    return len(piece) - len(decoded) == 2 * (piece.count(b"=") - soft - last) + 3 * soft + last


def _escaped(piece: bytes) -> bytes:
    """*piece* for the library, which drops a sign of ``==`` and all between ``=`` CR and the next line end."""
    if b"==" in piece:
        piece = piece.replace(b"==", b"=3D=").replace(b"==", b"=3D=")
    if piece.count(b"=\r") != piece.count(b"=\r\n"):
        piece = piece.replace(b"=3D\r", b"=3d\r").replace(b"=\r", b"=3D\r").replace(b"=3D\r\n", b"=\r\n")
    return piece


def _as_is(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        yield mail[at : min(at + _PIECE, end)]
