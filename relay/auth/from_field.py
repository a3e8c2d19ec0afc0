"""Read the author address from the From header field, strictly.

RFC 5322 §3.4, §3.6.2. DMARC is evaluated for this address, so the parser rejects all forms on which
lenient parsers disagree: several fields, several mailboxes, groups, routes, blanks or comments
inside the address, or text after it. Such a message has no author. One pass, no backtracking.
"""

import re
from typing import Final

from relay.mail.address import Address
from relay.mail.headers import Headers
from store.names import normalise_domain

MAX_ADDRESS: Final = 320  # characters
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


def from_address(headers: Headers) -> Address | None:
    """The single author of the message; None if there is not exactly one.

    The domain is given as A-labels.
    """
    fields = headers.all("from")
    if len(fields) != 1:
        return None
    tokens = _tokens(fields[0].value.decode("utf-8", "surrogateescape"))
    return None if tokens is None else _mailbox(tokens)


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
