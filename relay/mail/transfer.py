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
_IDENTITY: Final = frozenset({"7bit", "8bit", "binary", ""})
_UUENCODE: Final = frozenset({"uuencode", "uue"})
# RFC 2045 §6.7: blanks at the end of a line, also behind a soft line break, were added on the way.
_LINE_END_BLANKS: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_CR_BEHIND_SIGN: Final = re.compile(rb"=(?=\r[^\n])")
_BAD_ESCAPE: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]{0,80}(?:\r?\n|\Z))")


def encoding_name(encoding: str) -> str:
    """The encoding that a header value means: ``base64``, ``quoted-printable``, ``uuencode``, or as written.

    Typing errors of known names are accepted: ``quoted_printable``, ``base-64``, ``x-uuencode``.
    """
    found = _WORD.match(encoding)
    word = found[1].lower() if found else ""
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
    if name == "quoted-printable":
        broken = _BAD_ESCAPE.search(mail, start, end)
        return "a quoted-printable part holds an invalid escape, which is given as it is" if broken else None
    if name == "uuencode":
        return None
    return None if name in _IDENTITY else "a part has an unknown transfer encoding: its bytes are given as they are"


def _quoted_printable(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        # Pieces end at a line end, so that no escape and no soft line break is cut.
        line_end = mail.find(b"\n", min(start + _PIECE, end), end)
        piece_end = line_end + 1 if line_end >= 0 else end
        yield _decode_qp(mail[start:piece_end])
        start = piece_end


def _decode_qp(piece: bytes) -> bytes:
    if b" \r\n" in piece or b"\t\r\n" in piece or b" \n" in piece or b"\t\n" in piece or piece.endswith((b" ", b"\t")):
        piece = _LINE_END_BLANKS.sub(b"", piece)
    # The library drops a sign of "==", and everything between "=" CR and the next line end.
    if b"==" in piece:
        piece = piece.replace(b"==", b"=3D=").replace(b"==", b"=3D=")
    if b"=\r" in piece and piece.count(b"=\r") != piece.count(b"=\r\n"):
        piece = _CR_BEHIND_SIGN.sub(b"=3D", piece)
    return a2b_qp(piece)


def _as_is(mail: bytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        yield mail[at : min(at + _PIECE, end)]
