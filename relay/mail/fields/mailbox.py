"""Parse address lists of From, To, Cc and Reply-To leniently (RFC 5322 §3.4).

For display and for replies. An address is read or left empty, never composed of words that do not belong together.
relay/mail/fields/author.py reads the author for DMARC from the same tokens. One pass over at most 10 000 tokens.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from relay.mail.decode import decode_value
from relay.mail.fields.address_tokens import Token, TokenKind, address_tokens, unquoted

MAX_MAILBOXES: Final = 1000
_MAX_TOKENS: Final = 20_000
_MAX_BYTES: Final = 128 * 1024
_MAX_IN_ANGLE: Final = 100  # tokens
_MAX_ADDRESS: Final = 1000  # characters; RFC 5321 §4.5.3.1 allows 320

# A mailbox of a usual list, read without the tokenizer. All quantifiers are possessive.
_USUAL: Final = re.compile(
    rb"""
    [ \t\r\n]*+
    (?: (?P<name> "(?:[^"\\]++|\\.)*+" | [^"\\(),:;<>@\[\]]*+ ) [ \t]*+ <(?P<angle> [^<>"(),:;\s@]++@[^<>"(),:;\s@]++ )>
      | (?P<bare> [^<>"(),:;\s@\[\]]++@[^<>"(),:;\s@]++ )
    )
    [ \t\r\n]*+ (?:,|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
# A quote or parenthesis has a place in quoted words of the local part only (RFC 5322 §3.4.1).
_MISPLACED: Final = re.compile(r'["()]')
_QUOTED_WORDS: Final = re.compile(r'(?:^|(?<=\.))"(?:[^"\\]++|\\.)*+"(?=\.|\Z)')
_COMMA, _SEMICOLON, _COLON = (Token(TokenKind.SIGN, sign) for sign in (b",", b";", b":"))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name and an address, each one line without control characters."""

    name: str  # decoded; empty if absent
    address: str  # as written, without angle brackets; empty where none is written; not necessarily valid


def parse_mailboxes(raw: bytes) -> tuple[Mailbox, ...]:
    """The mailboxes of an unfolded address field value, at most 1 000.

    Groups are replaced by their members. A comment is used as the name only if there is no other. A text before a
    comma belongs to the name that follows it, unless it has an address of its own. Without angle brackets the last
    word of the form ``x@y`` is the address and the rest is the name.
    """
    usual = _usual_list(raw)
    return _Reader().read(raw[:_MAX_BYTES]) if usual is None else usual


def _usual_list(raw: bytes) -> tuple[Mailbox, ...] | None:
    """The mailboxes of a list in which each has a usual form; None for any other."""
    found: list[Mailbox] = []
    end = len(raw.rstrip(b" \t\r\n"))
    position = 0
    while position < end and len(found) < MAX_MAILBOXES:
        match = _USUAL.match(raw, position)
        if match is None:
            return None
        name = match["name"] or b""
        found.append(_mailbox(unquoted(name) if name[:1] == b'"' else name, match["angle"] or match["bare"]))
        position = match.end()
    return tuple(found)


def _mailbox(name: bytes, address: bytes) -> Mailbox:
    shown, read = decode_value(name), decode_value(address, limit=_MAX_ADDRESS)
    return Mailbox(shown or read, "") if _has_misplaced(read) else Mailbox(shown, read)


def _has_misplaced(address: str) -> bool:
    """Whether *address* has a quote or parenthesis where none may be."""
    if _MISPLACED.search(address) is None:
        return False
    local, _, domain = address.rpartition("@")
    return _MISPLACED.search(_QUOTED_WORDS.sub("", local) + domain) is not None


class _Reader:
    """Parser state: the tokens of the current mailbox, and the mailboxes found so far."""

    def __init__(self) -> None:
        self._found: list[Mailbox] = []
        self._in_angle = False
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._phrase: list[Token] = []  # outside <>: a name, or an address without brackets
        self._angle: list[Token] | None = None
        self._complete = False  # whether the tokens so far hold an address

    def read(self, raw: bytes) -> tuple[Mailbox, ...]:
        tokens = list(islice(address_tokens(raw), _MAX_TOKENS))
        semicolons = [place for place, token in enumerate(tokens) if token.raw == b";"] if b";" in raw else []
        last_semicolon = semicolons[-1] if semicolons else -1
        for place, token in enumerate(tokens):
            if token.kind is TokenKind.SIGN:
                self._sign(token, closes_later=place < last_semicolon)
                if len(self._found) >= MAX_MAILBOXES:
                    break
            elif self._in_angle and self._angle is not None:
                self._angle.append(token)
            elif token.kind is TokenKind.WORD:
                self._word(token)
            else:
                self._phrase.append(token)
        self._finish()
        return tuple(self._found[:MAX_MAILBOXES])

    def _word(self, token: Token) -> None:
        if not self._complete:
            self._complete = any(map(_is_address, _words([*self._phrase[-1:], token])))
        self._phrase.append(token)

    def _sign(self, token: Token, *, closes_later: bool) -> None:
        if token.raw == b"<":
            if not self._in_angle:  # a second bracket is a slip
                self._angle, self._in_angle, self._complete = [], True, True
        elif token.raw == b">":
            self._in_angle = False
        elif self._in_angle:
            if token.raw == b":":
                self._angle = []  # the words so far were a source route (RFC 5321 §4.1.2), or ``mailto``
        elif token.raw == b":":
            self._colon(closes_later=closes_later)
        else:
            self._separator(token)

    def _colon(self, *, closes_later: bool) -> None:
        if closes_later and not self._complete and not self._in_group:
            self._in_group = True  # the name of a group (RFC 5322 §3.4)
            self._clear()
        else:
            self._phrase.append(_COLON)

    def _separator(self, token: Token) -> None:
        closes = token.raw == b";" and self._in_group
        if closes or self._complete:
            self._finish()
        else:
            self._phrase.append(token)
        self._in_group = self._in_group and not closes

    def _finish(self) -> None:
        if self._angle is not None:
            address = _angle_address(self._angle)
            self._add(_name(self._phrase) or (b"" if address else _joined(self._angle)), address)
        elif self._phrase:
            self._bare(self._phrase)
        self._in_angle = False
        self._clear()

    def _bare(self, phrase: Sequence[Token]) -> None:
        """The mailboxes of a text without angle brackets."""
        words = list(_words(phrase))
        addresses = [place for place, word in enumerate(words) if _is_address(word)]
        if not addresses:
            self._without_address(phrase)
            return
        at = addresses[-1]
        cuts = [place for place, word in enumerate(words[:at]) if word in (_COMMA, _SEMICOLON)]
        first = cuts[-1] + 1 if cuts else 0
        for name in _split(words[:first]):
            self._add(name, b"")
        self._add(_name([*words[first:at], *words[at + 1 :]]), _bare_address(words[at].raw))

    def _without_address(self, phrase: Sequence[Token]) -> None:
        text = _joined(phrase)
        decoded = decode_value(text) if b"=?" in text else ""
        if "@" in decoded and "=?" not in decoded:  # the whole mailbox is in an encoded word
            self._found.extend(parse_mailboxes(decoded.encode("utf-8", "replace")))
        elif not text.endswith(b":"):  # an empty group that is not closed
            for name in _split([token for token in phrase if token.kind is not TokenKind.COMMENT]):
                self._add(name, b"")

    def _add(self, name: bytes, address: bytes) -> None:
        if name or address:
            self._found.append(_mailbox(name, address))


def _words(tokens: Sequence[Token]) -> Iterator[Token]:
    """*tokens*, with each quoted string joined to the at sign and domain that follow it."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        if (
            token.kind is TokenKind.QUOTED
            and following
            and following.kind is TokenKind.WORD
            and following.raw[:1] == b"@"
        ):
            yield Token(TokenKind.WORD, token.raw + following.raw)
            place += 1
        else:
            yield token
        place += 1


def _is_address(token: Token) -> bool:
    """Whether *token* has the form ``x@y``."""
    if token.kind is not TokenKind.WORD:
        return False
    local, at, domain = _bare_address(token.raw).rpartition(b"@")
    return bool(local and at and domain) and (b"@" not in local or local.startswith(b'"'))


def _bare_address(word: bytes) -> bytes:
    word = word.strip(b")")
    return word[1:-1] if word.startswith(b"[") and word.endswith(b"]") else word


def _angle_address(tokens: Sequence[Token]) -> bytes:
    """The address between angle brackets; empty unless it is one word, or the last word and the only address."""
    kept = [token for token in tokens[:_MAX_IN_ANGLE] if token.kind is not TokenKind.COMMENT]
    words: list[Token] = []
    glued = False
    for token in _words(kept):
        if token.kind is TokenKind.BLANK:
            glued = False  # RFC 5322 §4.4 allows blanks around the at sign and dots in old mail
        elif glued or (words and (token.raw[:1] in b"@." or words[-1].raw[-1:] in b"@.")):
            words[-1] = Token(TokenKind.WORD, words[-1].raw + token.raw)
        else:
            words.append(token)
            glued = True
    if not words or any(_is_address(word) for word in words[:-1]):
        return b""
    return words[-1].raw if _is_address(words[-1]) else b""


def _split(tokens: Sequence[Token]) -> Iterator[bytes]:
    """The names between separators."""
    start = 0
    for place, token in enumerate([*tokens, _COMMA]):
        if token in (_COMMA, _SEMICOLON):
            yield _name(tokens[start:place])
            start = place + 1


def _name(tokens: Sequence[Token]) -> bytes:
    """The display name; without one the comments."""
    words = [token for token in tokens if token.kind is not TokenKind.COMMENT]
    return _joined(words) or _joined([token for token in tokens if token.kind is TokenKind.COMMENT])


def _joined(tokens: Sequence[Token]) -> bytes:
    inner = (TokenKind.QUOTED, TokenKind.COMMENT)
    pieces = [unquoted(token.raw) if token.kind in inner else token.raw for token in tokens]
    return b"".join(pieces).strip(b" \t\r\n,;")
