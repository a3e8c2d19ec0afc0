"""Parse address lists of From, To, Cc and Reply-To leniently (RFC 5322 §3.4).

For display and for replies only. The author for DMARC is parsed strictly from the same bytes in
relay/auth/from_field.py. One pass over at most 10 000 tokens.
"""

import re
from dataclasses import dataclass
from typing import Final

from relay.mail.decode import decode_value

MAX_MAILBOXES: Final = 1000
_MAX_TOKENS: Final = 10_000
_MAX_BYTES: Final = 128 * 1024
_MAX_ADDRESS: Final = 1000  # characters; RFC 5321 §4.5.3.1 allows 320

# All quantifiers are possessive, and an unclosed quoted string runs to the end: no token is read twice.
_TOKEN: Final = re.compile(rb'"((?:[^"\\]|\\.?)*+)(?:"|\Z)|([(),:;<>])|([^"(),:;<>]++)', re.DOTALL)
_ONE: Final = re.compile(rb'[ \t]*+(?:"([^"\\]*+)"|([^"\\(),:;<>@\[\]]*+))[ \t]*+<([^<>"(),:;\s]++)>[ \t]*+')
_BARE: Final = re.compile(rb"""[ \t]*+([^<>"(),:;\s@]++@[^<>"(),:;\s@]++)[ \t]*+""")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name and an address, each one line without control characters."""

    name: str  # decoded; empty if absent
    address: str  # as written, without angle brackets; not necessarily valid


def parse_mailboxes(raw: bytes) -> tuple[Mailbox, ...]:
    """The mailboxes of an unfolded address field value, at most 1 000.

    Groups are replaced by their members. A comment is used as the name only if there is no other.
    """
    if match := _ONE.fullmatch(raw):
        return (_mailbox(match[1] if match[1] is not None else match[2], match[3]),)
    if match := _BARE.fullmatch(raw):
        return (_mailbox(b"", match[1]),)
    return _Reader().read(raw[:_MAX_BYTES])


def _mailbox(name: bytes, address: bytes) -> Mailbox:
    return Mailbox(decode_value(name), decode_value(address, limit=_MAX_ADDRESS))


def _unescaped(quoted: bytes) -> bytes:
    """*quoted* without the backslash of each quoted pair (RFC 5322 §3.2.4)."""
    return b"\\".join([part.replace(b"\\", b"") for part in quoted.split(b"\\\\")])


class _Reader:
    """Parser state: the words of the current mailbox, and the mailboxes found so far."""

    def __init__(self) -> None:
        self._found: list[Mailbox] = []
        self._comment_depth = 0
        self._in_angle = False
        self._clear()

    def _clear(self) -> None:
        self._words: list[bytes] = []  # outside <>: a name, or an address without brackets
        self._quoted: list[bytes] = []  # the same words, with quotes kept for an address
        self._angle: list[bytes] | None = None
        self._comment: list[bytes] = []

    def read(self, raw: bytes) -> tuple[Mailbox, ...]:
        for count, token in enumerate(_TOKEN.finditer(raw)):
            if count >= _MAX_TOKENS or len(self._found) >= MAX_MAILBOXES:
                break
            if token[2] is not None:
                self._sign(token[2])
            else:
                self._word(token[1], token[3])
        self._finish()
        return tuple(self._found[:MAX_MAILBOXES])

    def _sign(self, sign: bytes) -> None:
        if sign == b"(":
            self._comment_depth += 1
        elif self._comment_depth:
            self._comment_depth -= sign == b")"
        elif sign == b"<":
            self._angle, self._in_angle = [], True
        elif sign == b">":
            self._in_angle = False
        elif sign == b":" and self._in_angle:
            self._angle = []  # the words so far were a source route (RFC 5321 §4.1.2)
        elif sign == b":":
            self._clear()  # a group's name (RFC 5322 §3.4)
        elif not (self._in_angle and sign == b","):
            self._finish()

    def _word(self, quoted: bytes | None, atom: bytes | None) -> None:
        word = atom if quoted is None else _unescaped(quoted)
        if word is None:
            return
        if self._comment_depth:
            self._comment.append(word)
        elif self._in_angle and self._angle is not None:
            self._angle.append(word if quoted is None else b'"' + quoted + b'"')
        else:
            self._words.append(word)
            self._quoted.append(word if quoted is None else b'"' + quoted + b'"')

    def _finish(self) -> None:
        name, address = self._words, self._angle
        if address is None:
            name, address = [], self._quoted
        text = b"".join(b"".join(address).split())
        if text:
            shown = b"".join(name).strip() or b" ".join(self._comment).strip()
            self._found.append(_mailbox(shown, text))
        self._in_angle = False
        self._clear()
