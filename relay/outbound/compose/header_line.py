"""Encode header fields: ASCII, folded, always exactly one field (RFC 5322, RFC 2047, RFC 2231).

Not done by ``email``: a reviewer's approval is bound to the digest of the bytes, so the same values must
give the same bytes under every Python.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from relay.errors import BadDraft
from store.names import is_line

MAX_LINE: Final = 998  # octets without CRLF (RFC 5322 §2.1.1)
_FOLD_AT: Final = 76  # RFC 2047 §2 for a line with an encoded word; others follow suit
_WORD_OPENS, _WORD_ENDS = "=?utf-8?b?", "?="
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAX_QUOTED: Final = 60
_PIECE: Final = re.compile(r" *[^ ]+")
_SECTION: Final = 50  # characters of one section of a parameter (RFC 2231 §3)
_PARAMETER_SAFE: Final = "!#$&+-.^_`{|}~"  # RFC 2231 attribute-char except letters and digits


def unstructured(name: str, value: str) -> bytes:
    """An unstructured field, such as Subject. Raises BadDraft when *value* is not one printable line."""
    check_line(name, value)
    value = value.strip(" ")
    # Text that looks like an encoded word must be encoded, or readers would decode it.
    if value.isascii() and "=?" not in value and (folded := _folded(name, value)) is not None:
        return folded
    return _lines([f"{name}:", *_words(value, _FOLD_AT - len(name) - 2)])


def mailboxes(name: str, people: Sequence[tuple[str, str]]) -> bytes:
    """An address field of (display name or "", checked address) pairs."""
    first, *rest = ["\r\n ".join(_mailbox(*each, _FOLD_AT - len(name) - 2)) for each in people]
    return _lines([f"{name}: {first}", *rest], joint=",")


def ids(name: str, message_ids: Sequence[str]) -> bytes:
    """``In-Reply-To`` or ``References``: ids without brackets, each after the first on its own line."""
    return _lines([f"{name}: <{message_ids[0]}>", *(f"<{each}>" for each in message_ids[1:])])


def with_parameters(name: str, value: str, parameters: Sequence[tuple[str, str]]) -> bytes:
    """A MIME field with its parameters, in sections of RFC 2231 where they are long or not ASCII."""
    written = [f"{name}: {value}"]
    for key, text in parameters:
        written += _parameter(key, text)
    return _lines(written, joint=";")


def check_line(field: str, value: str) -> None:
    """Refuse characters that end a line or are not printable. Raises BadDraft."""
    if not is_line(value):
        raise BadDraft(f"{field}: one line of printable characters", field=field)


def _mailbox(display: str, address: str, first: int) -> Iterator[str]:
    """A mailbox in pieces; an encoded word that begins it is at most *first* long (RFC 5322 §3.4, RFC 2047 §5)."""
    if not display:
        yield address
        return
    check_line("name", display)
    if not display.isascii() or len(display) > _MAX_QUOTED or "=?" in display:
        yield from _words(display, first)
    elif _PLAIN_NAME.fullmatch(display):
        yield display
    else:
        escaped = display.replace("\\", "\\\\").replace('"', '\\"')
        yield f'"{escaped}"'
    yield f"<{address}>"


def _lines(pieces: Sequence[str], joint: str = "") -> bytes:
    """One field, a piece a line; a first piece that is only a name takes the second on the same line."""
    text = f"{joint}\r\n ".join(pieces)
    if pieces[0].endswith(":"):
        text = text.replace("\r\n ", " ", 1)
    return text.encode("ascii") + b"\r\n"


def _folded(name: str, value: str) -> bytes | None:
    """*value* broken before blanks; None when a word of it is longer than a line may be."""
    line, lines = f"{name}:", []
    for piece in _PIECE.findall(f" {value}"):
        if len(line) + len(piece) > _FOLD_AT and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += piece
    lines.append(line)
    if any(len(each) > MAX_LINE for each in lines):
        return None
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def _words(text: str, first: int) -> Iterator[str]:
    """*text* as encoded words, cut between characters; the first is at most *first* long (RFC 2047 §2, §5)."""
    room = _octets(max(first, 24))
    word = b""
    for sign in text:
        octets = sign.encode("utf-8")
        if len(word) + len(octets) > room:
            yield _word(word)
            word, room = b"", _octets(_FOLD_AT - 1)
        word += octets
    yield _word(word)


def _octets(room: int) -> int:
    """How many octets an encoded word of *room* characters holds."""
    return (room - len(_WORD_OPENS) - len(_WORD_ENDS)) // 4 * 3


def _word(octets: bytes) -> str:
    return _WORD_OPENS + b64encode(octets).decode("ascii") + _WORD_ENDS


def _parameter(key: str, text: str) -> list[str]:
    check_line(key, text)
    if text.isascii() and len(text) <= _SECTION:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return [f'{key}="{escaped}"']
    encoded = "utf-8''" + quote(text, safe=_PARAMETER_SAFE)
    sections = list(_sections(encoded))
    if len(sections) == 1:
        return [f"{key}*={encoded}"]
    return [f"{key}*{number}*={section}" for number, section in enumerate(sections)]


def _sections(encoded: str) -> Iterator[str]:
    """*encoded* in pieces, none of which ends inside a percent-escape."""
    while encoded:
        end = _SECTION
        while "%" in encoded[end - 2 : end] and end < len(encoded):
            end -= 1
        yield encoded[:end]
        encoded = encoded[end:]
