"""Decode bytes of mail to text: which charset, in which order, and what is never lost.

Byte order mark, then the declared charset strictly, then UTF-8 strictly, then the other Japanese
encodings for a Japanese label, then the declared charset with U+FFFD. Linear; never raises.
"""

import re
from typing import Final

from relay.mail.charset.japanese import decode_euc_jp, decode_iso_2022_jp
from relay.mail.charset.labels import clean_label, codec_for

_BAD: Final = "\ufffd"
_META_BYTES: Final = 4096
_SCRIPT_SAMPLE: Final = 4096  # characters
_EASTERN: Final = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]")
_META: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE)
_ANNOUNCES_JAPANESE: Final = re.compile(rb"\x1b\$\(?[@BD]")
_C1: Final = re.compile(rb"[\x80-\x9f]")
_C1_IN_UTF_8: Final = re.compile(rb"\xc2[\x80-\x9f]")
# Codecs in which a byte of ASCII may mean something else; all others contain ASCII.
_NOT_ASCII: Final = re.compile(r"utf_(?:7|16|32)|iso2022|hz|cp(?:037|273|424|500|875|1026|1140)")
_JAPANESE: Final = ("euc_jp", "cp932", "iso2022_jp")
_WIDE: Final = frozenset({"gb18030", "big5hkscs", "cp949", "johab", *_JAPANESE, "shift_jis_2004", "euc_jis_2004"})
_WESTERN: Final = frozenset({"cp1252", "cp1254", "iso8859_15", "cp850", "mac_roman"})
# The code page whose signs at 0x80 to 0x9F a writer means who declares the ISO charset.
_C1_PAGE: Final = {
    "iso8859_2": "cp1250", "iso8859_16": "cp1250", "iso8859_4": "cp1257", "iso8859_13": "cp1257", "iso8859_5": "cp1251",
    "iso8859_6": "cp1256", "iso8859_7": "cp1253", "iso8859_8": "cp1255",
}  # fmt: skip
# Symbols that Hong Kong's Big5 and Taiwan's map differently; the WHATWG table has Taiwan's.
_BIG5_SYMBOLS: Final = {
    bytes.fromhex(code).decode("big5hkscs"): bytes.fromhex(code).decode("cp950")
    for code in ("a145", "a14e", "a1c2", "a1e3", "a1f2", "a1f3", "a241", "a242", "a244", "a246", "a247", "f9fe")
}
# A byte 0x80 that is no part of a character of two or four bytes: the euro sign of code page 936.
_GB_EURO: Final = re.compile(rb"([\x81-\xfe](?:[0-9][\x81-\xfe][0-9]|[\x40-\x7e\x80-\xfe]))|\x80")
_BIG5_SYMBOL: Final = re.compile("[" + re.escape("".join(_BIG5_SYMBOLS)) + "]")


def decode_bytes(data: bytes, charset: str | None, *, html: bool = False, hint: str | None = None) -> tuple[str, str]:
    """Decode *data*; return the text and the charset that was used.

    Undecodable bytes become U+FFFD; a byte order mark is removed; the C1 controls that mean
    signs of windows-1252 become these signs. Other control characters remain in the text.

    Args:
        data: The bytes of a part or of a header value.
        charset: The declared label, if there is one.
        html: Whether *data* is a page, whose ``<meta charset>`` counts if no true charset is declared.
        hint: A label to try if none is declared and the bytes are not UTF-8, as the body's for a subject.
    """
    codec = codec_for(charset) if charset else None
    plain = data.isascii()
    if plain and b"\x1b" not in data and (codec in (None, "utf_8") or not _NOT_ASCII.match(codec or "")):
        return data.decode("ascii"), _ascii_name(codec, charset)
    if marked := _marked(data, codec):
        return marked
    if plain and codec != "iso2022_jp" and _ANNOUNCES_JAPANESE.search(data):
        return decode_iso_2022_jp(data), "iso-2022-jp"
    if codec not in (None, "utf_8"):
        return _declared(data, codec or "", clean_label(charset or ""))
    text = _try(data, "utf_8")
    if text is not None:
        return text, "utf-8"
    return _not_utf_8(data, charset or "", _meta(data) if html else hint)


def _ascii_name(codec: str | None, charset: str | None) -> str:
    label = clean_label(charset or "")
    if codec == "utf_8":
        return "utf-8" if "utf" in label else "us-ascii"
    return label if codec else "us-ascii"


def _marked(data: bytes, codec: str | None) -> tuple[str, str] | None:
    """The text of *data* with a byte order mark of Unicode; None without one."""
    if data.startswith(b"\xef\xbb\xbf"):
        text = _try(data[3:], "utf_8")
        return None if text is None else (text, "utf-8")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and (b"\0" in data or (codec or "").startswith("utf")):
        little = data.startswith(b"\xff\xfe")
        if little and data.startswith(b"\xff\xfe\0\0"):
            return data[4:].decode("utf-32-le", "replace"), "utf-32"
        return data[2:].decode("utf-16-le" if little else "utf-16-be", "replace"), "utf-16"
    return None


def _declared(data: bytes, codec: str, label: str) -> tuple[str, str]:
    """The text by the declared *codec*, or by the one that the bytes must be in."""
    if _is_rather_utf_8(data, codec):
        return data.decode("utf-8"), "utf-8"
    text = _try(data, codec)
    if text is not None:
        return text, label
    text = _try(data, "utf_8")
    if text is not None:
        return text, "utf-8"
    for other in _JAPANESE if codec in _JAPANESE else ():
        text = _try(data, other)
        if text is not None:
            return text, other.replace("_", "-")
    return _replace(data, codec), label


def _not_utf_8(data: bytes, charset: str, hint: str | None) -> tuple[str, str]:
    """The text of bytes that are declared UTF-8, ASCII or nothing, and are not UTF-8."""
    meant = codec_for(hint) if hint else None
    if meant not in (None, "utf_8", "utf_16", "utf_16_be"):
        return _declared(data, meant or "", clean_label(hint or ""))
    if "utf" in charset.lower():
        text = data.decode("utf-8", "replace")
        bad = text.count(_BAD)
        if sum(sign > "\x7f" for sign in text) - bad > bad:
            return text.removeprefix("\ufeff"), "utf-8"
    return _replace(data, "cp1252"), "windows-1252"


def _is_rather_utf_8(data: bytes, codec: str) -> bool:
    """Whether bytes declared as *codec* are UTF-8 beyond accident.

    Text of another charset is well-formed UTF-8 only by accident. A letter of two bytes may be one,
    several in one text are hardly. Besides, a wrong label still tells the script that was written,
    except a Western one, which programs use for all. UTF-16 without a zero byte in a text of lines is none.
    """
    if codec in ("utf_16", "utf_16_be", "utf_32"):
        return b"\0" not in data and (b"\n" in data or b" " in data) and _try(data, "utf_8") is not None
    if data.isascii() or _NOT_ASCII.match(codec):
        return False
    text = _try(data, "utf_8")
    if text is None:
        return False
    if codec in _WIDE:
        letters = [sign for sign in text[:_SCRIPT_SAMPLE] if sign > "\x7f"]
        eastern = len(_EASTERN.findall("".join(letters)))
        return eastern >= 2 and eastern * 2 >= len(letters)
    if codec in _WESTERN:
        return len(data) - len(text) >= 3 or b"\xc3" in data or b"\xe2\x80" in data
    return len(data) - len(text) >= 3 and _is_in_script(text[:_SCRIPT_SAMPLE], codec)


def _is_in_script(text: str, codec: str) -> bool:
    """Whether at least half of the letters of *text* exist in the single-byte *codec*."""
    letters = "".join(sign for sign in text if "\x7f" < sign < "\u2000" or "\u2e80" < sign < "\U0001f000")
    return len(letters.encode(codec, "ignore")) * 2 >= len(letters)


def _meta(data: bytes) -> str | None:
    """The charset that a page declares for itself (HTML, prescan of a byte stream)."""
    found = _META.search(data, 0, _META_BYTES)
    return found[1].decode("ascii", "replace") if found else None


def _try(data: bytes, codec: str) -> str | None:
    """*data* decoded strictly; None if that is not possible."""
    try:
        text = _decode(data, codec, "strict")
    # Some multi-byte codecs raise other errors than UnicodeError, also with errors="replace".
    except (LookupError, ValueError, RuntimeError):
        return None
    return None if codec in _OWN and _BAD in text else text


def _replace(data: bytes, codec: str) -> str:
    try:
        return _decode(data, codec, "replace")
    except (LookupError, ValueError, RuntimeError):
        return _decode(data, "cp1252", "replace")


def _decode(data: bytes, codec: str, errors: str) -> str:
    if codec in _OWN:
        return _OWN[codec](data)
    if codec.startswith("utf_16"):
        return _utf_16(data, codec, errors)
    if codec == "gb18030" and b"\x80" in data:
        data = _GB_EURO.sub(lambda found: found[1] or b"\xa2\xe3", data)
    text = data.decode(codec, errors)
    if codec == "big5hkscs":
        return _BIG5_SYMBOL.sub(lambda sign: _BIG5_SYMBOLS[sign[0]], text)
    if codec == "utf_8":
        text = text.removeprefix("\ufeff")
        marked = b"\xc2" in data and _C1_IN_UTF_8.search(data)
        return text.translate(_signs("cp1252", "ignore")) if marked else text
    if codec.startswith("iso8859") and _C1.search(data):
        return text.translate(_signs(_C1_PAGE.get(codec, "cp1252"), "replace"))
    return text


_OWN: Final = {"iso2022_jp": decode_iso_2022_jp, "euc_jp": decode_euc_jp}


def _utf_16(data: bytes, codec: str, errors: str) -> str:
    """UTF-16 without a byte order mark: the order in which more high bytes are zero."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    big = even > odd or (even == odd and codec == "utf_16_be")
    return data[: len(data) & ~1].decode("utf-16-be" if big else "utf-16-le", errors)


def _signs(page: str, errors: str) -> dict[int, str]:
    """What the bytes 0x80 to 0x9F are in the code page *page*, by the C1 control of that number."""
    return {byte: bytes((byte,)).decode(page, errors) for byte in range(0x80, 0xA0)}
