"""Read TNEF, the ``winmail.dat`` of Outlook: the files in it and the text of its body.

Formats: [MS-OXTNEF] (attributes), [MS-OXCDATA] §2.11 (property values). One walk over lengths, so
the cost is linear. A damaged stream gives what was read before the damage.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

MAX_FILES: Final = 200
TNEF_TYPES: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_SIGNATURE: Final = 0x223E9F78
_MAX_PROPERTIES: Final = 10_000  # of one attribute
_MAX_READ: Final = 20_000  # properties of a stream
_ATTACHMENT, _TITLE, _DATA = 0x00069002, 0x00018010, 0x0006800F
_ATTACHMENT_PROPERTIES, _BODY, _PROPERTIES, _CODE_PAGE = 0x00069005, 0x0002800C, 0x00069003, 0x00069007
_TEXT, _RTF, _HTML, _LONG_NAME, _NAME, _MIME_TYPE, _CONTENT_ID, _OBJECT = (
    0x1000,
    0x1009,
    0x1013,
    0x3707,
    0x3704,
    0x370E,
    0x3712,
    0x3701,
)
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_STRING8, _UNICODE, _BINARY, _OBJECT_TYPE = 0x1E, 0x1F, 0x102, 0x0D
_MULTIPLE: Final = 0x1000
_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,60}/[\w!#$&^.+-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TnefFile:
    """A file of a TNEF stream."""

    name: str = ""  # as written
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tnef:
    """What a TNEF stream holds."""

    files: tuple[TnefFile, ...]
    text: str  # of the body, as plain text; may be empty
    html: bytes  # of the body; empty without one
    rtf: bytes = field(default=b"", repr=False)  # of the body, compressed; empty without one
    whole: bool  # the stream was read to its end


class _Broken(Exception):
    """The stream ends within a value, or a length is too long."""


def read_tnef(data: bytes) -> Tnef | None:
    """What the stream *data* holds; None if it is no TNEF."""
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return None
    reader = _Reader()
    whole = True
    try:
        for tag, value in _attributes(data):
            reader.take(tag, value)
    except _Broken:
        whole = False
    return reader.result(whole=whole)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes as tag and value; level and checksum are not looked at."""
    at = 6
    while at + 9 <= len(data):
        tag, length = struct.unpack_from("<II", data, at + 1)
        at += 9
        if at + length > len(data):
            raise _Broken
        yield tag, data[at : at + length]
        at += length + 2
    if at < len(data):
        raise _Broken


class _Reader:
    """Collects files and body from the attributes."""

    def __init__(self) -> None:
        self._files: list[TnefFile] = []
        self._codec = "cp1252"
        self._text, self._html, self._rtf = "", b"", b""
        self._left = _MAX_READ

    def take(self, tag: int, value: bytes) -> None:
        if tag == _ATTACHMENT:
            if len(self._files) >= MAX_FILES:
                raise _Broken
            self._files.append(TnefFile())
        elif tag == _CODE_PAGE and len(value) >= 4:
            self._codec = _code_page(struct.unpack_from("<I", value)[0])
        elif tag == _BODY:
            self._text = self._text or self._string(value)
        elif tag == _PROPERTIES:
            self._body(value)
        elif self._files:
            self._file(tag, value)

    def _file(self, tag: int, value: bytes) -> None:
        last = self._files[-1]
        if tag == _TITLE:
            self._files[-1] = replace(last, name=last.name or self._string(value))
        elif tag == _DATA:
            self._files[-1] = replace(last, content=value)
        elif tag == _ATTACHMENT_PROPERTIES:
            found = dict(self._strings(value, (_NAME, _LONG_NAME, _MIME_TYPE, _CONTENT_ID, _OBJECT)))
            written = self._as_text(found.get(_MIME_TYPE)).strip().lower()
            embedded = found.get(_OBJECT, b"")
            self._files[-1] = replace(
                last,
                name=self._as_text(found.get(_LONG_NAME)) or last.name or self._as_text(found.get(_NAME)),
                content_type=written if _TYPE.fullmatch(written) else last.content_type,
                content_id=self._as_text(found.get(_CONTENT_ID)).strip(" <>") or None,
                content=last.content or (embedded[16:] if isinstance(embedded, bytes) else b""),
            )

    def _body(self, value: bytes) -> None:
        found = dict(self._strings(value, (_TEXT, _RTF, _HTML)))
        self._text = self._as_text(found.get(_TEXT)) or self._text
        rtf, html = found.get(_RTF, b""), found.get(_HTML, b"")
        self._rtf = rtf if isinstance(rtf, bytes) else b""
        self._html = html.encode("utf-8", "replace") if isinstance(html, str) else html

    def _strings(self, value: bytes, wanted: tuple[int, ...]) -> Iterator[tuple[int, str | bytes]]:
        """The properties named in *wanted*; those read before a damage."""
        try:
            for name, kind, content in _properties(value):
                self._left -= 1
                if self._left < 0:
                    return
                if name in wanted:
                    yield name, self._value(kind, content)
        except (_Broken, struct.error):
            return

    def _value(self, kind: int, content: bytes) -> str | bytes:
        if kind == _UNICODE:
            return content.decode("utf-16-le", "replace").rstrip("\0")
        return self._string(content) if kind == _STRING8 else content

    def _as_text(self, value: str | bytes | None) -> str:
        return value if isinstance(value, str) else self._string(value or b"")

    def _string(self, value: bytes) -> str:
        return value.decode(self._codec, "replace").rstrip("\0")

    def result(self, *, whole: bool) -> Tnef:
        return Tnef(files=tuple(self._files), text=self._text, html=self._html, rtf=self._rtf, whole=whole)


def _code_page(number: int) -> str:
    pages = {874, 932, 936, 949, 950, *range(1250, 1259)}
    return f"cp{number}" if number in pages else "utf-8" if number == 65001 else "cp1252"


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Name, type and value of each property; of one with several values the last."""
    (count,) = struct.unpack_from("<I", data)
    at = 4
    for _ in range(min(count, _MAX_PROPERTIES)):
        kind, name = struct.unpack_from("<HH", data, at)
        at += 4
        if name >= 0x8000:
            at = _behind_name(data, at)
        values = 1
        if kind & _MULTIPLE or kind in (_STRING8, _UNICODE, _BINARY, _OBJECT_TYPE):
            (values,) = struct.unpack_from("<I", data, at)
            at += 4
        content = b""
        for _ in range(min(values, _MAX_PROPERTIES)):
            content, at = _one(data, at, kind & ~_MULTIPLE)
        yield name, kind & ~_MULTIPLE, content


def _behind_name(data: bytes, at: int) -> int:
    """The offset behind the GUID and the name of a named property."""
    (kind,) = struct.unpack_from("<I", data, at + 16)
    if kind == 0:
        return at + 24
    length: int = struct.unpack_from("<I", data, at + 20)[0]
    return at + 24 + length + -length % 4


def _one(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind in _FIXED:
        return data[at : at + _FIXED[kind]], at + _FIXED[kind]
    if kind not in (_STRING8, _UNICODE, _BINARY, _OBJECT_TYPE):
        raise _Broken
    (length,) = struct.unpack_from("<I", data, at)
    if at + 4 + length > len(data):
        raise _Broken
    return data[at + 4 : at + 4 + length], at + 4 + length + -length % 4
