"""The content of opaque S/MIME: SignedData (RFC 8551 §3.5.2, RFC 5652 §5) and CompressedData (RFC 8551 §3.6, RFC 3274).

Nothing is verified here: the mail inside is as unproved as the mail around it. Only lengths and
tags are read (X.690 §8), in one walk, so the cost is linear and a bound holds for depth and pieces.
"""

import zlib
from dataclasses import dataclass, field
from typing import Final

SIGNED_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
MAX_INFLATED: Final = 16 * 1024 * 1024  # bytes
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_COMPRESSED_DATA: Final = bytes.fromhex("2a864886f70d0109100109")
_ZLIB: Final = bytes.fromhex("2a864886f70d0109100308")
_DATA: Final = bytes.fromhex("2a864886f70d010701")
_SEQUENCE, _SET, _INTEGER, _OID, _OCTETS = 0x30, 0x31, 0x02, 0x06, 0x04
_EXPLICIT, _CONSTRUCTED_OCTETS = 0xA0, 0x24
_MAX_DEPTH: Final = 16
_MAX_ELEMENTS: Final = 20_000


class _Broken(Exception):
    """The bytes are no SignedData or CompressedData with content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueContent:
    """A MIME entity that was inside."""

    content: bytes = field(repr=False)
    inflated: int = 0  # bytes that were inflated
    whole: bool = True  # False: more would have been inflated than allowed, or the stream is damaged


def opaque_content(data: bytes, *, most: int = MAX_INFLATED) -> OpaqueContent | None:
    """The content that *data* carries, in BER or DER; None without one. At most *most* bytes are inflated."""
    try:
        content, is_compressed = _Walk(data).content()
    except _Broken:
        return None
    if not is_compressed:
        return OpaqueContent(content=content)
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(content, max(most, 1))
    except zlib.error:
        return None
    return OpaqueContent(content=inflated, inflated=len(inflated), whole=stream.eof)


class _Walk:
    """A position in BER elements."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_ELEMENTS

    def content(self) -> tuple[bytes, bool]:
        """The content, and whether it is compressed."""
        at, kind = self._oid(self._enter(0, _SEQUENCE))
        if kind not in (_SIGNED_DATA, _COMPRESSED_DATA):
            raise _Broken
        at = self._enter(self._enter(at, _EXPLICIT), _SEQUENCE)
        at = self._skip(at, _INTEGER)
        if kind == _COMPRESSED_DATA:
            self._expect_oid(self._enter(at, _SEQUENCE), _ZLIB)
        at = self._skip(at, _SET if kind == _SIGNED_DATA else _SEQUENCE)
        at = self._expect_oid(self._enter(at, _SEQUENCE), _DATA)
        return self._octets(self._enter(at, _EXPLICIT)), kind == _COMPRESSED_DATA

    def _head(self, at: int) -> tuple[int, int, int]:
        """Tag, offset of the content and its length at *at*; the length is -1 if it is indefinite."""
        self._left -= 1
        if self._left < 0 or at + 2 > len(self._data):
            raise _Broken
        tag, length = self._data[at], self._data[at + 1]
        if tag & 0x1F == 0x1F:
            raise _Broken  # a tag of several bytes, which SignedData does not have
        if length < 0x80:
            return tag, at + 2, length
        count = length & 0x7F
        if count == 0:
            return tag, at + 2, -1
        if count > 8:
            raise _Broken
        return tag, at + 2 + count, int.from_bytes(self._data[at + 2 : at + 2 + count])

    def _enter(self, at: int, tag: int) -> int:
        found, start, _ = self._head(at)
        if found != tag:
            raise _Broken
        return start

    def _oid(self, at: int) -> tuple[int, bytes]:
        """The offset behind the object identifier at *at*, and its octets."""
        tag, start, length = self._head(at)
        if tag != _OID or length < 0:
            raise _Broken
        return start + length, self._data[start : start + length]

    def _expect_oid(self, at: int, oid: bytes) -> int:
        behind, found = self._oid(at)
        if found != oid:
            raise _Broken
        return behind

    def _skip(self, at: int, tag: int) -> int:
        """The offset behind the element at *at*, which has *tag*."""
        found, start, length = self._head(at)
        if found != tag:
            raise _Broken
        return start + length if length >= 0 else self._behind_indefinite(start)

    def _behind_indefinite(self, at: int) -> int:
        """The offset behind the end-of-contents octets of an element whose content starts at *at*."""
        depth = 1
        while depth:
            tag, start, length = self._head(at)
            if tag == 0 and length == 0:
                depth -= 1
                at = start
            elif length < 0:
                depth += 1
                at = start
            else:
                at = start + length
            if depth > _MAX_DEPTH:
                raise _Broken
        return at

    def _octets(self, at: int) -> bytes:
        """The octet string at *at*, joined if it is in pieces; a cut last piece counts."""
        tag, start, length = self._head(at)
        if tag == _OCTETS and length >= 0:
            return self._data[start : start + length]
        if tag != _CONSTRUCTED_OCTETS:
            raise _Broken
        end = start + length if length >= 0 else len(self._data)
        pieces: list[bytes] = []
        open_ends = 0
        while start < end:
            try:
                tag, inner, size = self._head(start)
            except _Broken:
                break
            if tag == _CONSTRUCTED_OCTETS:
                open_ends += size < 0
                start = inner
            elif tag == _OCTETS and size >= 0:
                pieces.append(self._data[inner : inner + size])
                start = inner + size
            elif tag == 0 and open_ends:
                open_ends -= 1
                start = inner
            else:
                break
        return b"".join(pieces)
