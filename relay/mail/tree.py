"""The MIME structure of a mail as a tree, read by fast_mail_parser and made to forgive.

The library reads a mail in microseconds and cannot be made slow, but it is strict where mail
is not: a transfer encoding it cannot decode costs the part, and a header line that is no field
ends the header. So the header section it sees is the one relay/mail/headers split, and a mail
whose encodings it refuses is read a second time with these veiled, and decoded here.
"""

from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from fast_mail_parser import DecodeError, ParseError, PyLazyMimePart, parse_email_tree

from relay.mail.decode import decode_base64
from relay.mail.headers import Headers, header_end

_ENCODING: Final = b"\r\ncontent-transfer-encoding"
_NO_VEIL: Final = b""


@dataclass(frozen=True, slots=True)
class Tree:
    """A mail's root node, and how to get at the bytes of its leaves."""

    root: PyLazyMimePart
    veil: bytes = _NO_VEIL  # in front of each Content-Transfer-Encoding; empty when the library decodes

    def content(self, node: PyLazyMimePart) -> bytes:
        """The transfer-decoded bytes of a leaf. Raises DecodeError only on a tree that is not veiled."""
        data = node.content or b""
        if not self.veil:
            return data
        data = data.replace(self.veil, b"")
        encoding = header_value(node, self.veil.decode() + "content-transfer-encoding").strip().lower()
        if encoding.startswith("base64"):
            return decode_base64(data)
        return a2b_qp(data) if encoding.startswith("quoted-printable") else data


def read_tree(raw: bytes, headers: Headers) -> Tree | None:
    """The tree of *raw*, whose header section is *headers*; None where no structure can be seen."""
    try:
        return Tree(parse_email_tree(_readable(raw, headers), mode="lazy"))
    except DecodeError:
        return read_veiled(raw, headers)
    except ParseError:
        return None


def read_veiled(raw: bytes, headers: Headers) -> Tree | None:
    """The tree of *raw* with every transfer encoding left to us; None where no structure can be seen.

    The name in front of the encodings comes from the mail's own hash, so that no mail can hold it.
    """
    veil = b"x" + sha256(raw).hexdigest()[:16].encode() + b"-"
    try:
        return Tree(parse_email_tree(_veil(_readable(raw, headers), veil), mode="lazy"), veil)
    except ParseError:
        return None


def header_value(node: PyLazyMimePart, name: str) -> str:
    """The first value of a node's field *name* (lower-case); empty without one."""
    for written, values in node.headers.items():
        if written.lower() == name:
            return values[0]
    return ""


def _readable(raw: bytes, headers: Headers) -> bytes:
    """*raw* itself, or a copy without the header lines that are no fields."""
    if all(field.name for field in headers.fields):
        return raw
    kept = b"".join(field.raw for field in headers.fields if field.name)
    return kept + b"\r\n" + raw[header_end(raw) :]


def _veil(raw: bytes, veil: bytes) -> bytes:
    return b"".join(_veiled_pieces(b"\r\n" + raw, veil))[2:]


def _veiled_pieces(raw: bytes, veil: bytes) -> Iterator[bytes]:
    lowered, start = raw.lower(), 0
    while (found := lowered.find(_ENCODING, start)) >= 0:
        yield raw[start : found + 2]
        yield veil
        start = found + 2
    yield raw[start:]
