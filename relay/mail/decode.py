"""Decode bytes of a message to text: charsets and encoded words (RFC 2047).

The output is safe for a database and for JSON: no control characters, no lone surrogates, never
longer than requested. Linear in the input. No function raises.
"""

import re
from binascii import a2b_qp
from encodings.aliases import aliases
from typing import Final

from relay.mail.transfer import decode_base64

MAX_VALUE: Final = 32 * 1024  # characters of one header value

# Only names in this set are passed to Python's codec lookup, which caches each unknown name for ever.
# Excluded are codecs that are not character sets, and two whose cost is quadratic in the input.
_KNOWN: Final = (frozenset(aliases) | frozenset(aliases.values())) - {
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs", "oem",
    "base64", "base_64", "bz2", "hex", "quopri", "quoted_printable", "quotedprintable", "rot13", "uu", "zip", "zlib",
    "punycode", "idna", "raw_unicode_escape", "unicode_escape", "undefined",
}  # fmt: skip

# Charset names that mail uses for text in a superset (the table of the WHATWG Encoding Standard).
_MEANT: Final = {
    "us_ascii": "utf_8", "ascii": "utf_8", "utf8": "utf_8", "utf_8_sig": "utf_8", "unicode_1_1_utf_8": "utf_8",
    "iso_8859_1": "cp1252", "latin1": "cp1252", "latin_1": "cp1252", "8859": "cp1252", "windows_1252": "cp1252",
    "iso_8859_9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030", "x_gbk": "gb18030", "euc_cn": "gb18030",
    "ks_c_5601_1987": "cp949", "euc_kr": "cp949", "shift_jis": "cp932", "x_sjis": "cp932",
    "iso_2022_jp": "iso2022_jp_ext", "iso_8859_8_i": "iso8859_8", "tis_620": "cp874", "cp_850": "cp850",
}  # fmt: skip

_C0: Final = bytes(byte for byte in (*range(0x20), 0x7F) if byte not in b"\t\n")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_BLANKS: Final = re.compile(r"[\t\n\v\f\r\u2028\u2029]+")
_ENCODED_WORD: Final = re.compile(rb"=\?([^?\s]{1,64})\?([bBqQ])\?([^?]*)\?=")


def codec_for(charset: str) -> str | None:
    """Python's codec for the *charset* named in a message; None if it is unknown."""
    name = charset.strip(" \t\"'").lower().replace("-", "_").replace(" ", "_")
    if name in _MEANT:
        return _MEANT[name]
    return name if name in _KNOWN else None


def decode_bytes(data: bytes, charset: str | None) -> tuple[str, str]:
    """Decode *data*; return the text and the charset that was used.

    Uses the declared charset, else UTF-8, else windows-1252. Undecodable bytes become U+FFFD.
    Control characters remain in the text.
    """
    codec = codec_for(charset) if charset else None
    if codec not in (None, "utf_8"):
        text = _try(data, codec, "replace")
        if text is not None:
            return text, (charset or "").strip(" \t\"'").lower()
    text = _try(data, "utf_8", "strict")
    if text is not None:
        declared = codec == "utf_8" and "utf" in (charset or "").lower()
        return text, "utf-8" if declared or not text.isascii() else "us-ascii"
    if codec == "utf_8" and charset and "utf" in charset.lower():
        return data.decode("utf-8", "replace"), "utf-8"
    return data.decode("cp1252", "replace"), "windows-1252"


def clean_line(text: str) -> str:
    """*text* as one line without control characters (C0 and C1).

    A run of tabs and line ends becomes a space; other control characters are removed.
    """
    if text.isprintable():
        return text
    return _scalar(_UNPRINTABLE.sub("", _BLANKS.sub(" ", text)))


def clean_text(text: str) -> str:
    """*text* with LF line ends, without control characters except tab and LF."""
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", "\n")
    if text.isascii():
        return text.encode("ascii").translate(None, _C0).decode("ascii")
    return _scalar(_UNPRINTABLE.sub("", text))


def decode_value(raw: bytes, *, limit: int = MAX_VALUE) -> str:
    """Decode an unstructured header value to one line without control characters.

    Decodes encoded words (RFC 2047) and raw 8-bit text (RFC 6532).

    Args:
        raw: The value, folded or unfolded.
        limit: Maximum number of bytes read and of characters returned.
    """
    raw = raw[:limit]
    text = _read_words(raw) if b"=?" in raw else _plain(raw)
    return clean_line(text)[:limit].strip()


def _try(data: bytes, codec: str | None, errors: str) -> str | None:
    try:
        return data.decode(codec or "utf_8", errors)
    # Some multi-byte codecs raise other errors than UnicodeError, also with errors="replace".
    except (LookupError, ValueError, RuntimeError):
        return None


def _scalar(text: str) -> str:
    """*text* without lone surrogates, which UTF-7 can encode and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(raw: bytes) -> str:
    return raw.decode("ascii") if raw.isascii() else decode_bytes(raw, None)[0]


def _read_words(raw: bytes) -> str:
    """Decode the encoded words in *raw* (RFC 2047).

    Blanks between two encoded words are dropped; a character split over two words is joined.
    """
    out: list[str] = []
    pending, charset, end = bytearray(), b"", 0
    for word in _ENCODED_WORD.finditer(raw):
        gap = raw[end : word.start()]
        name = word[1].partition(b"*")[0].lower()  # RFC 2231 §5: a language may follow
        adjacent = end > 0 and not gap.strip()
        if pending and not (adjacent and name == charset):
            out.append(_word_text(bytes(pending), charset))
            pending.clear()
        if not adjacent:
            out.append(_plain(gap))
        pending += _word_bytes(word[2], word[3])
        charset, end = name, word.end()
    if pending:
        out.append(_word_text(bytes(pending), charset))
    out.append(_plain(raw[end:]))
    return "".join(out)


def _word_bytes(encoding: bytes, payload: bytes) -> bytes:
    return decode_base64(payload) if encoding in b"bB" else a2b_qp(payload, header=True)


def _word_text(data: bytes, charset: bytes) -> str:
    name = charset.decode("ascii", "replace")
    if codec_for(name) is None:
        return _try(data, "utf_8", "strict") or data.decode("ascii", "replace")
    return decode_bytes(data, name)[0]
