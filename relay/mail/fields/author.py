"""Read the author address from the From header field, strictly.

RFC 5322 §3.4, §3.6.2. DMARC is evaluated for this address, so the parser rejects all forms on which
lenient parsers disagree: several fields, several mailboxes, groups, routes, blanks or comments
inside the address, or text after it. Such a message has no author. A display name may hold unquoted signs
as long as the field holds one address only. One pass, no backtracking.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice
from typing import Final

from relay.mail.address import Address
from relay.mail.decode import decode_value
from relay.mail.fields.address_tokens import Token, TokenKind, address_tokens
from relay.mail.headers import Field, Headers
from store.names import normalise_domain

MAX_ADDRESS: Final = 320  # characters
MAX_BYTES: Final = 64 * 1024  # of the field: a long name with an address has one
MAX_TOKENS: Final = 512  # words, specials and pieces of comments; a quoted string of any length is one token

# All quantifiers are possessive, so no input is read twice. A "broken" token ends the parse.
_TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t]++)
  | (?P<quoted>"(?:[^"\\\x00\r\n]++|\\[^\x00\r\n])*+")
  | (?P<word>[^\x00-\x20"(),:;<>@\[\]\\\x7f]++)
  | (?P<sign>[<>@\[\]])
  | (?P<comment>\()
  | (?P<broken>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_COMMENT: Final = re.compile(r"[^()\\\x00\r\n]++|\\[^\x00\r\n]|[()]")
_ESCAPED: Final = re.compile(r"\\(.)")
_DOT_ATOM: Final = re.compile(r"[^.]++(?:\.[^.]++)*+")
_BLANK: Final = " "
_MAX_NAME: Final = 200  # bytes of a line that are compared with the name of the field
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SEPARATOR: Final = re.compile(rb"[,:;]")
_ATOM: Final = re.compile(r"[^\x00-\x20\"(),:;<>@\[\]\\\x7f]++")
_SILENT: Final = (TokenKind.BLANK, TokenKind.COMMENT)
_OPEN, _COMMA, _SEMICOLON = (Token(TokenKind.SIGN, sign) for sign in (b"<", b",", b";"))


def from_address(headers: Headers) -> Address | None:
    """The single author of the message; None if there is not exactly one.

    The domain is given as A-labels.
    """
    fields = headers.all("from")
    if len(fields) != 1 or any(_resembles_from(field) for field in headers.fields if not field.name):
        return None
    return author_of(fields[0].value)


def author_of(value: bytes) -> Address | None:
    """The single author that the unfolded *value* of a From field names, or None."""
    if len(value) > MAX_BYTES:
        return None
    tokens = _tokens(value.decode("utf-8", "surrogateescape"))
    exact = None if tokens is None else _mailbox(tokens)
    return exact or _behind_name(value)


def _resembles_from(field: Field) -> bool:
    """Whether a line that is no field would be a From field to a more lenient reader."""
    start = unicodedata.normalize("NFKC", field.raw[:_MAX_NAME].decode("utf-8", "replace")).casefold()
    return "".join(sign for sign in start if sign.isprintable() and not sign.isspace()).startswith("from:")


def _behind_name(value: bytes) -> Address | None:
    """The address in angle brackets at the end of the field, after a display name with unquoted signs.

    None if the name could hold another author: it has a bracket, or a separator and what may be an address.
    """
    tokens = list(islice(address_tokens(value, pieces=MAX_TOKENS), MAX_TOKENS + 1))
    if len(tokens) > MAX_TOKENS or any(_is_broken(token) for token in tokens):
        return None
    last = _last(tokens)
    kinds = [token.raw for token in tokens[: last + 1] if token.kind is TokenKind.SIGN]
    if last < 0 or kinds[-2:] != [b"<", b">"] or kinds.count(b"<") > 1 or kinds.count(b">") > 1:
        return None
    start = tokens.index(_OPEN)
    name = tokens[:start]
    separated = len(kinds) > 2 or any(_SEPARATOR.search(token.raw) for token in name if token.kind is TokenKind.ENCODED)
    if separated and (_may_hold_address(name) or (b":" in kinds and _SEMICOLON in tokens[last:])):
        return None
    inside = [token for token in tokens[start + 1 : last] if token.kind is not TokenKind.BLANK]
    return _plain_address(inside[0].raw) if len(inside) == 1 and inside[0].kind is TokenKind.WORD else None


def _is_broken(token: Token) -> bool:
    """Whether parsers disagree on what *token* means: an open quote, a control character, an escape outside quotes."""
    return (
        token.kind is TokenKind.LONE
        or _CONTROL.search(token.raw) is not None
        or (token.kind is TokenKind.WORD and token.raw.endswith(b"\\"))
    )


def _last(tokens: Sequence[Token]) -> int:
    """Index of the last token before blanks, comments, commas and semicolons; -1 without one."""
    place = len(tokens) - 1
    while place >= 0 and (
        tokens[place].kind in (TokenKind.BLANK, TokenKind.COMMENT) or tokens[place] in (_COMMA, _SEMICOLON)
    ):
        place -= 1
    return place


def _may_hold_address(name: Sequence[Token]) -> bool:
    text = b"".join(token.raw for token in name)
    shown = decode_value(text)
    return b"@" in text or "@" in shown or "\uff20" in shown or "=?" in shown


def _plain_address(word: bytes) -> Address | None:
    """*word* as an address. Dots may follow each other or end the local part, as Japanese carriers allow."""
    text = word.decode("utf-8", "surrogateescape")
    local, _, domain = text.rpartition("@")
    if not _ATOM.fullmatch(local) or len(text) > MAX_ADDRESS or not text.isprintable():
        return None
    try:
        return Address(local=local, domain=normalise_domain(domain))
    except ValueError:
        return None


def _tokens(text: str) -> list[str] | None:
    """The tokens of *text*, or None if it cannot be an address.

    A run of blanks and comments becomes one blank.
    """
    tokens: list[str] = [_BLANK]
    position = depth = 0
    for _ in range(MAX_TOKENS):
        if position == len(text):
            return None if depth else tokens
        found = (_IN_COMMENT if depth else _TOKEN).match(text, position)
        if found is None or found.lastgroup == "broken":
            return None
        position = found.end()
        if depth:
            depth += {"(": 1, ")": -1}.get(found[0], 0)
        elif found.lastgroup in ("blank", "comment"):
            depth = int(found.lastgroup == "comment")
            tokens += [_BLANK] if tokens[-1] != _BLANK else []
        else:
            tokens.append(found[0])
    return None


def _mailbox(tokens: list[str]) -> Address | None:
    if tokens[-1] == _BLANK:
        tokens = tokens[:-1]
    tokens = tokens[1:]
    if "<" not in tokens:
        return _address(tokens)
    start = tokens.index("<")
    if tokens[-1] != ">" or any(token in ("@", ">") for token in tokens[:start]):
        return None
    inside = tokens[start + 1 : -1]
    # Blanks next to the brackets are allowed; elsewhere parsers disagree on their meaning.
    inside = inside[1:] if inside[:1] == [_BLANK] else inside
    return _address(inside[:-1] if inside[-1:] == [_BLANK] else inside)


def _address(tokens: list[str]) -> Address | None:
    """The address if *tokens* are exactly an addr-spec: local part, at sign, domain."""
    if len(tokens) != 3 or tokens[1] != "@" or sum(map(len, tokens)) > MAX_ADDRESS:
        return None
    local, _, domain = tokens
    if local.startswith('"'):
        local = _ESCAPED.sub(r"\1", local[1:-1])
    elif not _DOT_ATOM.fullmatch(local):
        return None
    # isprintable() rejects invalid UTF-8 and invisible characters: controls, zero width, direction marks.
    if not local or domain.startswith('"') or not (local + domain).isprintable():
        return None
    try:
        return Address(local=local, domain=normalise_domain(domain))
    except ValueError:
        return None
