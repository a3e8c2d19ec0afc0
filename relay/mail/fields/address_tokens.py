"""Split the value of an address field into tokens (RFC 5322 §3.4), as bytes.

One tokenizer serves the lenient list of mailboxes and the author that DMARC is evaluated for, so the two cannot
disagree about quotes, comments and encoded words. Linear in the input; never raises.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

# An encoded word is one token, because some programs leave commas and at signs in it (RFC 2047 §5 forbids that).
# All quantifiers are possessive: no byte is read twice.
_TOKEN: Final = re.compile(
    rb"""
    (?P<BLANK>[ \t\r\n]++)
  | (?P<ENCODED>=\?[^?\s]{1,64}+\?[bBqQ]\?[^?\s]*+\?=)
  | (?P<QUOTED>"(?:[^"\\]++|\\.)*+")
  | (?P<COMMENT>\()
  | (?P<SIGN>[,:;<>])
  | (?P<WORD>[^\s"(,:;<>]++)
  | (?P<LONE>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# After a quote or parenthesis without its partner no later one has a meaning.
_REST: Final = re.compile(
    rb"""
    (?P<BLANK>[ \t\r\n]++)
  | (?P<ENCODED>=\?[^?\s]{1,64}+\?[bBqQ]\?[^?\s]*+\?=)
  | (?P<SIGN>[,:;<>])
  | (?P<WORD>[^\s,:;<>]++)
  | (?P<LONE>.)
    """,
    re.VERBOSE | re.DOTALL,
)
MAX_PIECES: Final = 20_000
_IN_COMMENT: Final = re.compile(rb"[^()\\]++|\\.|[()]", re.DOTALL)


class TokenKind(Enum):
    """What a token is."""

    BLANK = auto()
    ENCODED = auto()  # an encoded word (RFC 2047)
    QUOTED = auto()  # with its quotes
    COMMENT = auto()  # with its parentheses
    SIGN = auto()  # one of , : ; < >
    WORD = auto()
    LONE = auto()  # a quote or an opening parenthesis without its partner


_KINDS: Final = {kind.name: kind for kind in TokenKind}


class Token(NamedTuple):
    """One token and its bytes."""

    kind: TokenKind
    raw: bytes


def address_tokens(raw: bytes, *, pieces: int = MAX_PIECES) -> Iterator[Token]:
    """The tokens of *raw*, which together are *raw*. Comments of more than *pieces* pieces in all are none."""
    pattern, position = _TOKEN, 0
    while found := pattern.match(raw, position):
        kind, end = _KINDS[found.lastgroup or ""], found.end()
        if kind is TokenKind.COMMENT:
            closed, used = _comment_end(raw, end, pieces)
            pieces -= used
            kind, end = (TokenKind.COMMENT, closed) if closed >= 0 else (TokenKind.LONE, end)
        if kind is TokenKind.LONE:
            pattern = _REST
        yield Token(kind, raw[position:end])
        position = end


def unquoted(raw: bytes) -> bytes:
    """The content of a quoted string or of a comment, without the backslash of each quoted pair (RFC 5322 §3.2.4)."""
    return b"\\".join([part.replace(b"\\", b"") for part in raw[1:-1].split(b"\\\\")])


def _comment_end(raw: bytes, position: int, pieces: int) -> tuple[int, int]:
    """Offset after the comment that opens before *position*, and its pieces; -1 if it has no end among *pieces*."""
    depth = 1
    for used in range(pieces):
        found = _IN_COMMENT.match(raw, position)
        if found is None:
            return -1, used
        position = found.end()
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth and raw[position : position + 1] != b"(":  # comments without a blank between them are one
            return position, used + 1
    return -1, pieces
