"""Decode header values and clean text: encoded words (RFC 2047), control characters.

The output is safe for a database and for JSON: no control characters, no lone surrogates, never
longer than requested. Linear in the input. No function raises.
"""

import re
from binascii import a2b_qp
from typing import Final

from relay.mail.charset.labels import codec_for
from relay.mail.charset.text import decode_bytes as decode_bytes  # noqa: PLC0414  (read from here as well)
from relay.mail.coding.base64_body import decode_base64

MAX_VALUE: Final = 32 * 1024  # characters of one header value

_C0: Final = bytes(byte for byte in (*range(0x20), 0x7F) if byte not in b"\t\n")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_BLANKS: Final = re.compile(r"[\t\n\v\f\r\u2028\u2029]+")
# The text may hold "?" where no "=" follows, or where "=3F" follows and a later "?=" ends the word. No
# text runs into the start "=?" of a next word, so the search stays linear.
_ENCODED_WORD: Final = re.compile(
    rb"=\?[ \t]?([^?\s=]{0,64})[ \t]?\?[ \t]?([bBqQ])[ \t]?\?"
    rb"((?:[^?=]++|=(?!\?[^=])|\?(?!=)|\?(?==[0-9A-F]{2}[^?\s]*+\?=))*+)\?="
)


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


def decode_value(raw: bytes, *, limit: int = MAX_VALUE, charset: str | None = None) -> str:
    """Decode an unstructured header value to one line without control characters.

    Decodes encoded words (RFC 2047) and raw 8-bit text (RFC 6532).

    Args:
        raw: The value, folded or unfolded.
        limit: Maximum number of bytes read and of characters returned.
        charset: A label for raw 8-bit text that is not UTF-8, such as the charset of the body.
    """
    raw = raw[:limit]
    text = _read_words(raw, charset) if b"=?" in raw else _plain(raw, charset)
    return clean_line(text)[:limit].strip()


def _scalar(text: str) -> str:
    """*text* without lone surrogates, which UTF-7 can encode and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(raw: bytes, hint: str | None) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    return decode_bytes(raw, None, hint=hint)[0]


def _read_words(raw: bytes, hint: str | None) -> str:
    """Decode the encoded words in *raw* (RFC 2047).

    Blanks between two encoded words are dropped. Words of one charset are decoded together, because
    a character or a group of base64 may be split over two of them.
    """
    out: list[str] = []
    run: list[tuple[bool, bytes]] = []  # whether base64, and the encoded text, of adjacent words of one charset
    charset, end = b"", 0
    for word in _ENCODED_WORD.finditer(raw):
        gap = raw[end : word.start()]
        name = word[1].partition(b"*")[0].lower()  # RFC 2231 §5: a language may follow
        adjacent = end > 0 and not gap.strip()
        if run and not (adjacent and name == charset):
            out.append(_words_text(run, charset, hint))
            run = []
        if not adjacent:
            out.append(_plain(gap, hint))
        run.append((word[2] in b"bB", word[3]))
        charset, end = name, word.end()
    if run:
        out.append(_words_text(run, charset, hint))
    out.append(_plain(raw[end:], hint))
    return "".join(out)


def _words_text(run: list[tuple[bool, bytes]], charset: bytes, hint: str | None) -> str:
    """The text of adjacent words of one charset."""
    name = charset.decode("ascii", "replace")
    text, damage = _octets_text(b"".join(_word_bytes(payload, base64=base64) for base64, payload in run), name, hint)
    if not damage or len(run) == 1 or not all(base64 for base64, _ in run):
        return text
    # A group of base64 may be cut: then the words are pieces of one text.
    joined, left = _octets_text(decode_base64(b"".join(payload for _, payload in run)), name, hint)
    return joined if left < damage else text


def _word_bytes(payload: bytes, *, base64: bool) -> bytes:
    return decode_base64(payload) if base64 else a2b_qp(payload, header=True)


def _octets_text(data: bytes, name: str, hint: str | None) -> tuple[str, int]:
    """The text of encoded words, and how many of its characters are damaged."""
    codec = codec_for(name)
    text, used = decode_bytes(data, name if codec else None, hint=hint)
    foreign = codec == "utf_8" and used not in ("utf-8", "us-ascii")
    return text, foreign + text.count("\ufffd") + len(_UNPRINTABLE.findall(text))
