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
_C1: Final = re.compile(b"\xc2[\x80-\x9f]")
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
    """*text* with LF line ends, without control characters except tab and LF.

    CR CR LF is one line end: a CR that was encoded, before the line end of the transfer.
    """
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text.encode("ascii").translate(None, _C0).decode("ascii")
    data = text.encode("utf-8", "replace").translate(None, _C0)  # without lone surrogates, which UTF-8 cannot encode
    return (_C1.sub(b"", data) if b"\xc2" in data else data).decode("utf-8")


def decode_value(raw: bytes, *, limit: int = MAX_VALUE, charset: str | None = None) -> str:
    """Decode an unstructured header value to one line without control characters.

    Decodes encoded words (RFC 2047) and raw 8-bit text (RFC 6532).

    Args:
        raw: The value, folded or unfolded.
        limit: Maximum number of bytes read and of characters returned.
        charset: A label for raw 8-bit text that is not UTF-8, such as the charset of the body.
    """
    raw = raw[:limit]
    if b"=?" in raw:
        text = _read_words(raw, charset)
    elif raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text = decode_bytes(raw, None, hint=charset)[0]
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
    charset, end = "", 0
    for word in _ENCODED_WORD.finditer(raw):
        gap = raw[end : word.start()]
        label = word[1].partition(b"*")[0].decode("ascii", "replace")  # RFC 2231 §5: a language may follow
        name = codec_for(label) or ""
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


def _words_text(run: list[tuple[bool, bytes]], codec: str, hint: str | None) -> str:
    """The text of adjacent words of one codec; an empty *codec* is an unknown charset."""
    text, used = decode_bytes(_run_bytes(run), codec or None, hint=hint)
    if not all(base64 for base64, _ in run) or not any(len(payload) % 4 for _, payload in run[:-1]):
        return text
    # A group of base64 may be cut: then the words are pieces of one text.
    joined, used_joined = decode_bytes(decode_base64(b"".join(payload for _, payload in run)), codec or None, hint=hint)
    return joined if _damage(joined, used_joined) < _damage(text, used) else text


def _run_bytes(run: list[tuple[bool, bytes]]) -> bytes:
    return b"".join([decode_base64(payload) if base64 else a2b_qp(payload, header=True) for base64, payload in run])


def _damage(text: str, used: str) -> int:
    """How many signs of *text* say that it was read wrong. UTF-8 was meant if windows-1252 had to be used."""
    return (used == "windows-1252") + text.count("\ufffd") + len(_UNPRINTABLE.findall(text))
