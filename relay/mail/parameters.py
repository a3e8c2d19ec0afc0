"""Parse parameters of Content-Type and Content-Disposition, and safe file names.

RFC 2045 §5.1, RFC 2183, RFC 2231.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from relay.mail.decode import clean_line, decode_bytes, decode_value

_MAX_CHARS: Final = 8 * 1024
_MAX_PARAMETERS: Final = 100
_PARAMETER: Final = re.compile(r';\s*+([^\s=;"]{1,80}+)\s*+=\s*+(?:"((?:[^"\\]|\\.?)*+)"?|([^;]*+))', re.DOTALL)
_SECTION: Final = re.compile(r"([^*]++)(?:\*(\d{1,3}))?(\*)?")
_UNSAFE: Final = re.compile(r'[/\\:*?"<>|\u202a-\u202e\u2066-\u2069]')
MAX_FILENAME: Final = 200  # characters


def parse_parameters(value: str) -> dict[str, str]:
    """Map lower-case parameter names to decoded values; at most 100 are read.

    If a name is repeated, the first value counts. Continuations are joined and extended values
    decoded, also if a character is split over two sections (RFC 2231 §3, §4). Encoded words, which
    the standard does not allow here, are decoded as well.
    """
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(value[:_MAX_CHARS])):
        if count >= _MAX_PARAMETERS:
            break
        text = match[3].strip() if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        if section := _SECTION.fullmatch(match[1].lower()):
            name, number, extended = section[1], section[2], section[3] is not None
            if number is None and not extended:
                plain.setdefault(name, clean_line(decode_value(text.encode("utf-8", "surrogateescape"))))
            else:
                sections.setdefault(name, {}).setdefault(int(number or 0), (text, extended))
    return plain | {name: _join(found) for name, found in sections.items()}


def _join(sections: Mapping[int, tuple[str, bool]]) -> str:
    charset, data = "", b""
    for number in range(len(sections)):
        if number not in sections:
            break
        text, extended = sections[number]
        if number == 0 and extended and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets = text.encode("utf-8", "surrogateescape")
        data += unquote_to_bytes(octets) if extended else octets
    return clean_line(decode_bytes(data, charset or None)[0])


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
