"""Parse parameters of Content-Type and Content-Disposition, and safe file names.

RFC 2045 §5.1, RFC 2183, RFC 2231.
"""

import re
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final
from urllib.parse import unquote_to_bytes

from relay.mail.charset.labels import codec_for
from relay.mail.decode import clean_line, decode_bytes, decode_value

_MAX_CHARS: Final = 8 * 1024
_MAX_PARAMETERS: Final = 100
# Parameters that may follow a blank or a comma, or begin the value, where programs leave the ";" out.
_KNOWN: Final = (
    r"(?:charset|format|delsp|name|filename|boundary|type|start|size|method|report-type|protocol|micalg|smime-type"
    r"|creation-date|modification-date|read-date|x-[a-z-]{1,40})(?:\*\d{0,3}\*?)?"
)
_END: Final = rf"\s*+(?:;|,\s|\(|\Z|{_KNOWN}\s*+=)"
# Raw ISO-2022-JP, whose bytes may be a quote or a semicolon, and a character that ends in the byte of "\\"
# (Shift_JIS, GBK, Big5). Bytes of eight bits that are not UTF-8 are surrogate escapes here.
_RAW: Final = r"\x1b\$[^\x1b]*+|[\udc81-\udcfe]\\(?![\\])"
_PARAMETER: Final = re.compile(
    rf'(?:;\s*+([^\s=;"]{{1,80}}+)|(?:\A|(?<=[\s,"]))({_KNOWN}))\s*+=\s*+'
    # A quote inside is one that no end follows, with another quote before the next ";".
    rf'(?:"((?:{_RAW}|[^"\\]|\\.?|"(?!{_END})(?=[^";]*+"))*+)"?'
    r"|'([^']*+)'(?=\s*+(?:;|\Z))"
    rf"|((?:{_RAW}|[^\s;])*+(?:\s++(?!{_KNOWN}\s*+=)[^\s;]*+)*+))",
    re.DOTALL | re.IGNORECASE,
)
# The form of the standard without anything to decode.
_SIMPLE: Final = re.compile(
    r"""[\w./+-]*+((?:\s*+;\s*+[\w-]++=(?:"(?:[ !#-<>-\[\]-~]|=(?!\?))*+"|[!#-&(-:<>-\[\]-~]++))*+)\s*+;?\s*+""",
    re.ASCII,
)
_SIMPLE_PAIR: Final = re.compile(r"""([\w-]++)=(?:"([^"]*+)"|([^\s;"]++))""")
_SECTION: Final = re.compile(r"([^*]++)(?:\*(\d{1,3}))?(\*)?")
_FIRST_WORD: Final = re.compile(r"""[\s"']*([^\s"';,=()]++)(?!\s*=)""")
_QUOTED_PAIR: Final = re.compile(r"(\x1b\$[^\x1b]*+|[\udc81-\udcfe]\\)|\\([^\w]|_)", re.ASCII)
_CHARSET_PREFIX: Final = re.compile(r"([\w.:+-]{0,40})'[\w-]{0,20}'", re.ASCII)
_UNSAFE: Final = re.compile(r'[/\\:*?"<>|\u202a-\u202e\u2066-\u2069]')
MAX_FILENAME: Final = 200  # characters


def parse_parameters(value: str, *, charset: str | None = None) -> dict[str, str]:
    """Map lower-case parameter names to decoded values; at most 100 are read.

    If a name is repeated, the first value counts. Continuations are joined and extended values
    decoded, also if a character is split over two sections (RFC 2231 §3, §4). Read as well is what
    the standard does not allow and programs write: encoded words, a missing ``;`` before a known name,
    single quotes, sections counted from one.

    Args:
        value: The header value, with raw bytes as surrogate escapes.
        charset: A label for raw 8-bit values that are not UTF-8, such as the charset of the body.
    """
    if "=" not in value:
        return {}
    if simple := _SIMPLE.fullmatch(value, 0, _MAX_CHARS):
        pairs = _SIMPLE_PAIR.findall(simple[1])
        return {name.lower(): quoted or token for name, quoted, token in reversed(pairs[:_MAX_PARAMETERS])}
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(value[:_MAX_CHARS])):
        if count >= _MAX_PARAMETERS:
            break
        section = _SECTION.fullmatch((match[1] or match[2]).lower())
        if section is None:
            continue
        name, number, extended = section[1], section[2], section[3] is not None
        if number is None and not extended:
            plain.setdefault(name, _written(match))
        else:
            sections.setdefault(name, {}).setdefault(int(number or 0), (_written(match), extended))
    charset = charset or plain.get("charset")
    read = {name: _plain_text(text, charset) for name, text in plain.items()}
    for name, found in sections.items():
        joined = _join(found, charset)
        if joined and ("\ufffd" not in joined or name not in read):
            read[name] = joined
    return read


def first_word(value: str) -> str:
    """The type or disposition that begins a value, lower-case; empty if a parameter begins it.

    Quotes around the word and a missing ``;`` behind it are accepted.
    """
    if not value:
        return ""
    found = _FIRST_WORD.match(value[:_MAX_CHARS])
    return found[1].lower() if found else ""


def _written(match: re.Match[str]) -> str:
    """The value of one parameter without its quotes.

    Programs escape a quote and a backslash. A backslash before a letter or digit belongs to a path.
    """
    if match[3] is not None:
        return _QUOTED_PAIR.sub(r"\1\2", match[3])
    return (match[4] if match[4] is not None else match[5]).strip()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _plain_text(text: str, charset: str | None) -> str:
    return clean_line(decode_value(_octets(text), charset=charset))


def _join(sections: Mapping[int, tuple[str, bool]], hint: str | None) -> str:
    """The text of the sections of one parameter, up to the first that is missing."""
    first = min(sections)
    number = first if first <= 1 else 0
    parts: list[tuple[str, bool]] = []
    while number in sections:
        parts.append(sections[number])
        number += 1
    if not parts:
        return ""
    text, extended = parts[0]
    prefix = _CHARSET_PREFIX.match(text)
    charset = None
    if prefix and (extended or (codec_for(prefix[1]) and "%" in text)):
        charset = prefix[1] or None
        parts[0] = (text[prefix.end() :], True)
    if not any(extended for _, extended in parts):
        return _plain_text("".join(text for text, _ in parts), hint)
    return _extended_text(parts, charset, hint)


def _extended_text(parts: list[tuple[str, bool]], charset: str | None, hint: str | None) -> str:
    runs = ((extended, "".join(text for text, _ in run)) for extended, run in groupby(parts, itemgetter(1)))
    # Of extended sections in a row the end of one may be within "%20".
    data = b"".join(unquote_to_bytes(_octets(text)) if extended else _octets(text) for extended, text in runs)
    text, used = decode_bytes(data, charset, hint=hint)
    if b"%" in data and not all(extended for _, extended in parts) and (used == "windows-1252" or "\ufffd" in text):
        # Programs forget the mark of an extended section; its octets then end a split character.
        whole = b"".join(unquote_to_bytes(_octets(text)) for text, _ in parts)
        text = decode_bytes(whole, charset, hint=hint)[0]
    return clean_line(decode_value(text.encode("utf-8", "replace"))) if "=?" in text else clean_line(text)


def safe_filename(name: str) -> str | None:
    """*name* made safe for file systems and headers; None if no character remains.

    One line, only the last component of a path, without characters that an operating system
    treats specially. Direction overrides, which can hide an extension, are replaced too.
    """
    last = clean_line(name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    safe = _UNSAFE.sub("_", last).strip(" .")
    if len(safe) > MAX_FILENAME:
        stem, dot, extension = safe.rpartition(".")
        kept = dot + extension if stem and len(extension) <= 16 else ""
        safe = safe[: MAX_FILENAME - len(kept)] + kept
    return safe or None
