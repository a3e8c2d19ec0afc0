"""Decode ISO-2022-JP (CP50220) and EUC-JP with the characters that mail programs add.

Python's codecs know only the standards. Windows and telephones write the rows 13 and 89 to 92 (①,
㈱, 髙) under the same labels (WHATWG Encoding Standard §12). All double bytes are read by one
94 x 94 table, made from code page 932 on first use. Linear; undecodable bytes become U+FFFD.
"""

import re
from collections.abc import Iterator
from functools import cache
from struct import unpack
from typing import Final

_BAD: Final = "\ufffd"
_ESCAPE: Final = re.compile(rb"(\x1b\$[@B]|\x1b\$\([@BD]|\x1b\([BHIJ]|[\x0e\x0f])")
_OTHER_ESCAPE: Final = re.compile(rb"\x1b(?:\$A|\$\(C|\.[AF])")  # Chinese, Korean, Latin: ISO-2022-JP-2
_PLANES: Final = re.compile(rb"\x1b\$\([OPQ]")  # JIS X 0213: ISO-2022-JP-2004
_PAIRS: Final = re.compile(rb"((?:[\x21-\x7e]{2})+)|([\x00-\x20\x7f])|(.)", re.DOTALL)
# Runs of double bytes, and of all else: ASCII, kana of half width, JIS X 0212, bytes that are nothing.
_EUC: Final = re.compile(
    rb"((?:[\xa1-\xfe]{2})++)"
    rb"|((?:[\x00-\x8d\x90-\xa0\xff]|\x8e[\xa1-\xdf]?|\x8f(?:[\xa1-\xfe]{2})?|[\xa1-\xfe](?![\xa1-\xfe]))++)"
)
_MAX_RUNS: Final = 100_000  # in a megabyte; more are no words, and are read without the rows of Windows
_TO_7_BIT: Final = bytes(byte & 0x7F for byte in range(256))
_TO_8_BIT: Final = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in range(256))
# Six signs of JIS X 0208 that Python maps to other characters than Windows and the WHATWG do.
_SIGNS: Final = dict(zip("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2", strict=True))
_SIGN: Final = re.compile("[" + "".join(_SIGNS) + "]")
# Bytes of eight bits in ISO-2022-JP are kana that forgot their escape (code page 50221).
_KANA: Final = {byte: chr(byte + 0xFEC0) if 0xA1 <= byte <= 0xDF else _BAD for byte in range(0x80, 0x100)}
_ROMAN: Final = str.maketrans("\\~", "\u00a5\u203e")  # JIS X 0201, left half


def decode_iso_2022_jp(data: bytes) -> str:
    """Decode ISO-2022-JP as Windows does (code page 50220), with kana of seven or eight bits.

    Bytes of eight bits without any escape are another charset: each becomes U+FFFD.
    """
    if b"\x1b" not in data and b"\x0e" not in data:
        return data.decode("ascii", "replace")
    if _OTHER_ESCAPE.search(data):
        return data.decode("iso2022_jp_2", "replace")
    if _PLANES.search(data):
        return data.decode("iso2022_jp_2004", "replace")
    text = _standard(data, "iso2022_jp_ext") if b"\x0e" not in data else None
    return text if text is not None else "".join(_segments(data))


def decode_euc_jp(data: bytes) -> str:
    """Decode EUC-JP with the rows that Windows adds (code page 51932)."""
    text = _standard(data, "euc_jp")
    if text is not None:
        return text
    runs = _EUC.findall(data)
    if len(runs) > _MAX_RUNS:
        return data.decode("euc_jp", "replace")
    return "".join(
        _looked_up(pairs.translate(_TO_7_BIT)) if pairs else other.decode("euc_jp", "replace") for pairs, other in runs
    )


def _standard(data: bytes, codec: str) -> str | None:
    """*data* by Python's codec, which is quick; None if it holds what only Windows writes."""
    try:
        text = data.decode(codec)
    except ValueError:
        return None
    return _SIGN.sub(lambda sign: _SIGNS[sign[0]], text)


def _looked_up(pairs: bytes) -> str:
    return "".join(map(_table().__getitem__, unpack(f">{len(pairs) // 2}H", pairs)))


def _segments(data: bytes) -> Iterator[str]:
    set_ = b"B"
    for number, part in enumerate(_ESCAPE.split(data)):
        if number % 2:
            set_ = part if len(part) == 1 else part.replace(b"\x1b(", b"")
        elif part:
            yield _segment(part, set_)


def _segment(part: bytes, set_: bytes) -> str:
    if set_.startswith(b"\x1b$"):
        return _double(part) if not set_.endswith(b"D") else _supplement(part)
    if set_ in b"I\x0e":
        return part.translate(_TO_8_BIT).decode("cp932", "replace")
    text = part.decode("ascii") if part.isascii() else part.decode("latin-1").translate(_KANA)
    return text.translate(_ROMAN) if set_ in b"JH" and (b"\\" in part or b"~" in part) else text


def _double(part: bytes) -> str:
    out: list[str] = []
    runs = _PAIRS.findall(part)
    if len(runs) > _MAX_RUNS:
        return _BAD
    for pairs, control, bad in runs:
        if pairs:
            out.append(_looked_up(pairs))
        else:
            out.append(_BAD if bad else control.decode("ascii"))
    return "".join(out)


def _supplement(part: bytes) -> str:
    """JIS X 0212, which Python reads as the third set of EUC-JP."""
    pairs = (part[at : at + 2].translate(_HIGH) for at in range(0, len(part), 2))
    return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp", "replace")


_HIGH: Final = bytes(byte | 0x80 if byte > 0x20 else byte for byte in range(256))


@cache
def _table() -> dict[int, str]:
    """Characters by their two bytes of seven bits, read as one number."""
    table: dict[int, str] = {}
    for row in range(94):
        lead = (row >> 1) + (0x81 if row < 62 else 0xC1)
        for cell in range(94):
            trail = cell + (0x9F if row & 1 else 0x40 + (cell >= 63))
            character = bytes((lead, trail)).decode("cp932", "replace")
            table[(row + 0x21) << 8 | cell + 0x21] = character if len(character) == 1 else _BAD
    return table
