"""Decode base64 as mail carries it (RFC 2045 §6.8): padded blocks, footers, words that are no base64.

In pieces of about one megabyte. Data of the alphabet alone costs three passes in C; only lines with
other bytes are looked at one by one, and at most 1 000 of them in a piece.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

_PIECE: Final = 1024 * 1024
_SAMPLE: Final = 64 * 1024
_MAX_ODD_LINES: Final = 1000
_MAX_BLOCKS: Final = 100_000  # each ends in padding
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_ALPHABET: Final = bytes(set(range(256)) - set(_ALPHABET))
_BLANKS: Final = b" \t\r\n\f\v"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# A line with a byte outside the alphabet, or with a blank between two words.
_ODD_LINE: Final = re.compile(rb"^[ \t]*+[A-Za-z0-9+/=]*+[ \t]*+[^\s][^\n]*\n?", re.MULTILINE)
_URL_LINE: Final = re.compile(rb"[\w=-]*[A-Za-z0-9][\w=-]*\s*")
_LONG_LINE: Final = re.compile(rb"^[A-Za-z0-9+/=]{40}", re.MULTILINE)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


class _Reading(Enum):
    CAREFUL = auto()  # without lines of plain text, such as a mailing list's footer
    LENIENT = auto()  # all bytes outside the alphabet are skipped
    AS_IS = auto()  # the content is no base64


class _Judged(NamedTuple):
    reading: _Reading
    url: bool  # the alphabet of RFC 4648 §5, with - and _


def is_base64(mail: bytes, start: int, end: int) -> bool:
    """Whether the range holds only the base64 alphabet and white space."""
    pieces = (mail[at : min(at + _PIECE, end)] for at in range(start, end, _PIECE))
    return not any(piece.translate(None, _ALPHABET + _BLANKS) for piece in pieces)


def is_plain(mail: bytes, start: int, end: int, *, text: bool) -> bool:
    """Whether the range, declared base64, is none, so that `base64_pieces` gives the bytes as they are."""
    return _judge(mail[start : min(end, start + _SAMPLE)], text=text).reading is _Reading.AS_IS


def decode_base64(data: bytes) -> bytes:
    """Decode *data* with all padded blocks in it; bytes outside the alphabet are skipped."""
    exact = _exact(data)
    if exact is not None:
        return exact
    return _Blocks().decode(data.translate(None, _NOT_ALPHABET), last=True)


def base64_pieces(mail: bytes, start: int, end: int, *, text: bool) -> Iterator[bytes]:
    """Decode the range piece by piece.

    Blocks that are padded each are joined. A footer in plain text is left out. Content of which less
    than 90 % is base64, or which gives no text where *text* is expected, is given as it is.
    """
    judged: _Judged | None = None
    blocks, filter_ = _Blocks(), _LineFilter()
    while start < end and not blocks.full:
        line_end = mail.find(b"\n", min(start + _PIECE, end), min(start + 2 * _PIECE, end))
        piece_end = line_end + 1 if line_end >= 0 else min(start + 2 * _PIECE, end)
        piece = mail[start:piece_end]
        start = piece_end
        exact = _exact(piece.translate(None, b"\r\n")) if judged is None else None
        if exact is not None:
            yield exact
            continue
        judged = judged or _judge(piece[:_SAMPLE], text=text)
        if judged.reading is _Reading.AS_IS:
            yield piece
            continue
        piece = piece.translate(_TO_STANDARD) if judged.url else piece
        if judged.reading is _Reading.CAREFUL:
            piece = filter_.without_text(piece)
        yield blocks.decode(piece.translate(None, _NOT_ALPHABET), last=start >= end)


def _judge(sample: bytes, *, text: bool) -> _Judged:
    """How the content is to be read, by its first 64 KiB."""
    if not sample.translate(None, _ALPHABET + b"\r\n"):
        return _Judged(_Reading.AS_IS if text and _are_clean_words(sample) else _Reading.CAREFUL, url=False)
    url = _is_url_alphabet(sample)
    sample = sample.translate(_TO_STANDARD) if url else sample
    visible = sample.translate(None, _BLANKS)
    mostly = len(visible.translate(None, _ALPHABET)) * 10 <= len(visible)
    careful = decode_base64(_LineFilter().without_text(sample))
    if careful and (_is_text(careful) or (mostly and not text)):
        return _Judged(_Reading.CAREFUL, url)
    if _is_text(decode_base64(sample)):
        return _Judged(_Reading.LENIENT, url)
    return _Judged(_Reading.AS_IS if (text or not mostly) and visible else _Reading.LENIENT, url)


def _are_clean_words(sample: bytes) -> bool:
    """Whether a short text without blanks or signs is a word, and no base64."""
    data = sample.translate(None, b"\r\n")
    return len(data) % 4 != 0 and b"=" not in data and len(sample) < _SAMPLE and not _is_text(decode_base64(data))


def _is_url_alphabet(sample: bytes) -> bool:
    if b"+" in sample or b"/" in sample or (b"-" not in sample and b"_" not in sample):
        return False
    odd = _ODD_LINE.findall(sample)[:_MAX_ODD_LINES]
    return all(_URL_LINE.fullmatch(line) for line in odd)


def _is_text(data: bytes) -> bool:
    """Whether decoded *data* can be text in some charset."""
    if not data or data.count(0) * 4 > len(data):
        return bool(data)  # UTF-16
    if _CONTROL.search(data):
        return False
    try:
        data[:-4].decode("utf-8") if len(data) > _SAMPLE // 2 else data.decode("utf-8")
    except UnicodeDecodeError:
        return len(data) >= 30
    return True


def _exact(data: bytes) -> bytes | None:
    """*data* decoded in one pass; None if it is anything but whole groups of four."""
    if len(data) % 4:
        return None
    try:
        return a2b_base64(data, strict_mode=True)
    except Error:
        return None


class _LineFilter:
    """Removes lines of plain text from base64, piece by piece."""

    def __init__(self) -> None:
        self._in_text = False
        self._padded = False

    def without_text(self, piece: bytes) -> bytes:
        """*piece* without lines of plain text, and without short lines behind them."""
        if not self._in_text and not piece.translate(None, _ALPHABET + b"\r\n"):
            self._note(piece)
            return piece
        out: list[bytes] = []
        at = 0
        for count, line in enumerate(_ODD_LINE.finditer(piece)):
            if count >= _MAX_ODD_LINES:
                break
            out.append(self._region(piece[at : line.start()]))
            self._in_text = self._in_text or _is_text_line(line[0], padded=self._padded)
            out.append(self._region(line[0]))
            at = line.end()
        out.append(self._region(piece[at:]))
        return b"".join(out)

    def _region(self, region: bytes) -> bytes:
        """Lines between two lines of text: behind text only a long line begins data again."""
        if self._in_text:
            again = _LONG_LINE.search(region)
            if again is None:
                return b""
            region = region[again.start() :]
            self._in_text = False
        self._note(region)
        return region

    def _note(self, region: bytes) -> None:
        end = region[-200:].rstrip()
        if end:
            self._padded = end.endswith(b"=")


def _is_text_line(line: bytes, *, padded: bool) -> bool:
    words = line.split()
    visible = b"".join(words)
    odd = len(visible.translate(None, _ALPHABET))
    if odd == 0:
        return padded or any(len(word) % 4 for word in words)
    return odd * 4 > len(visible) or len(words) > 1


class _Blocks:
    """Decodes bytes of the alphabet, of which each padding ends a block."""

    def __init__(self) -> None:
        self._kept = b""
        self._left = _MAX_BLOCKS

    @property
    def full(self) -> bool:
        """Whether the bound of blocks is reached."""
        return self._left <= 0

    def decode(self, data: bytes, *, last: bool) -> bytes:
        data = self._kept + data
        *ended, rest = data.lstrip(b"=").split(b"=", self._left)
        self._left -= len(ended)
        whole = len(rest) if last else len(rest) - len(rest) % 4
        self._kept = rest[whole:]
        return b"".join([_block(block) for block in (*ended, rest[:whole]) if block])


def _block(block: bytes) -> bytes:
    if len(block) % 4 == 1:
        block = block[:-1]  # six remaining bits are not a byte
    return a2b_base64(block + b"=" * (-len(block) % 4))
