"""The words of the compressed RTF that Outlook writes as a body ([MS-OXRTFCP], RTF 1.9.1, [MS-OXRTFEX]).

Both steps are one pass and bounded: at most 256 KiB are inflated, and groups are followed 200 deep. A damaged stream
gives what was read before the damage.
"""

import re
import struct
from codecs import lookup
from dataclasses import dataclass, replace
from typing import Final

MAX_RTF: Final = 256 * 1024  # bytes, inflated
_MAX_DEPTH: Final = 200
_COMPRESSED, _PLAIN = b"LZFu", b"MELA"
_RING: Final = 4096
# What the dictionary holds at the start ([MS-OXRTFCP] §2.1.2.1).
_START: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n" + rb"\par "
    rb"\pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN: Final = re.compile(
    r"\\(?:([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|'([0-9a-fA-F]{2})|(.))|([{}])|([^\\{}\r\n]++)", re.DOTALL
)
_SIGNS: Final = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "tab": "\t", "cell": "\t", "nestcell": "\t",
    "nestrow": "\n", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d",
    "bullet": "\u2022", "endash": "\u2013", "emdash": "\u2014", "enspace": " ", "emspace": " ",
}  # fmt: skip
_ESCAPED: Final = {"\\": "\\", "{": "{", "}": "}", "~": "\u00a0", "_": "-", "\n": "\n", "\r": "\n"}
_WITHOUT_WORDS: Final = frozenset(
    {
        "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "headerl", "headerr", "headerf",
        "footer", "footerl", "footerr", "footerf", "generator", "themedata", "colorschememapping", "datastore",
        "listtable", "listoverridetable", "latentstyles", "rsidtbl", "xmlnstbl", "fldinst", "filetbl", "revtbl",
    }
)  # fmt: skip


def inflate_rtf(data: bytes) -> bytes:
    """The RTF in *data*, the value of PidTagRtfCompressed, to its bound; empty where it is none."""
    if len(data) < 16:
        return b""
    size, kind = struct.unpack_from("<I", data, 4)[0], data[8:12]
    if kind == _PLAIN:
        return data[16 : 16 + min(size, MAX_RTF)]
    return _inflated(data, min(size, MAX_RTF)) if kind == _COMPRESSED else b""


def _inflated(data: bytes, most: int) -> bytes:
    out = bytearray(_START)
    end = len(_START) + most
    at = 16
    while at < len(data) and len(out) < end:
        control = data[at]
        at += 1
        if control == 0:
            out += data[at : at + 8]
            at += 8
            continue
        for bit in range(8):
            if not control >> bit & 1:
                out += data[at : at + 1]
                at += 1
                continue
            token = int.from_bytes(data[at : at + 2])
            at += 2
            back = (len(out) - (token >> 4)) % _RING
            if back == 0 or back > len(out) or at > len(data):  # the end, or a damage
                return bytes(out[len(_START) : end])
            length = (token & 15) + 2
            piece = out[len(out) - back : len(out) - back + length]
            out += (piece * (length // len(piece) + 1))[:length]
    return bytes(out[len(_START) : end])


def rtf_text(data: bytes) -> str:
    """The words of the RTF document *data*, with LF line ends; empty where it is none.

    Of RTF that carries HTML the words are read, without its tags.
    """
    return _Words().read(data.decode("latin-1")) if data.startswith(b"{\\rtf") else ""


@dataclass(frozen=True, slots=True)
class _Group:
    """What a group inherits."""

    is_read: bool = True
    fallback: int = 1  # characters that follow \u for readers that do not know it
    is_layout: bool = False  # between \htmlrtf and \htmlrtf0: not in the HTML


class _Words:
    """Collects the words of one document."""

    def __init__(self) -> None:
        self._units: list[str] = []  # UTF-16 code units may be apart
        self._octets = bytearray()  # of \'xx, decoded together
        self._codec = "cp1252"
        self._group = _Group()
        self._above: list[_Group] = []
        self._to_skip = 0
        self._binary_end = 0

    def read(self, rtf: str) -> str:
        for match in _TOKEN.finditer(rtf):
            if match.start() < self._binary_end:
                continue
            word, number, octet, sign, brace, text = match.groups()
            if octet:
                self._take_octet(int(octet, 16))
            elif text:
                self._take_text(text)
            elif word:
                self._flush()
                self._take_word(word, int(number) if number else None, match.end())
            elif sign:
                self._flush()
                self._take_sign(sign)
            elif not self._enter_or_leave(brace):
                break
        self._flush()
        joined = "".join(self._units)
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").strip("\n")

    def _enter_or_leave(self, brace: str) -> bool:
        """Whether there is more to read behind *brace*."""
        self._flush()
        self._to_skip = 0
        if brace == "{":
            self._above.append(self._group)
            return len(self._above) <= _MAX_DEPTH
        if self._above:
            self._group = self._above.pop()
        return bool(self._above)

    def _take_octet(self, octet: int) -> None:
        if self._to_skip:
            self._to_skip -= 1
        elif self._is_shown:
            self._octets.append(octet)

    def _take_text(self, text: str) -> None:
        skipped = min(self._to_skip, len(text))
        self._to_skip -= skipped
        if self._is_shown:
            self._octets += text[skipped:].encode("latin-1")

    def _take_sign(self, sign: str) -> None:
        if sign == "*":
            self._group = replace(self._group, is_read=False)
        elif self._to_skip:
            self._to_skip -= 1
        else:
            self._add(_ESCAPED.get(sign, ""))

    def _take_word(self, word: str, number: int | None, end: int) -> None:
        if word in _WITHOUT_WORDS:
            self._group = replace(self._group, is_read=False)
        elif word in _SIGNS:
            self._add(_SIGNS[word])
        elif word == "u":
            self._add(chr((number or 0) % 0x10000))
            self._to_skip = self._group.fallback
        elif word == "uc":
            self._group = replace(self._group, fallback=min(max(number or 0, 0), 16))
        elif word == "htmlrtf":
            self._group = replace(self._group, is_layout=number != 0)
        elif word == "ansicpg":
            self._codec = _codec_of(number or 0)
        elif word == "bin":
            self._binary_end = end + max(number or 0, 0)

    @property
    def _is_shown(self) -> bool:
        return self._group.is_read and not self._group.is_layout

    def _add(self, text: str) -> None:
        if self._is_shown:
            self._units.append(text)

    def _flush(self) -> None:
        if self._octets:
            self._units.append(self._octets.decode(self._codec, "replace"))
            self._octets.clear()


def _codec_of(code_page: int) -> str:
    try:
        return lookup("utf-8" if code_page == 65001 else f"cp{code_page}").name
    except LookupError:
        return "cp1252"
