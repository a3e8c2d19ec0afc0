"""Parse and expand SPF macro strings (RFC 7208 §7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote


class SpfSyntaxError(ValueError):
    """The record does not follow the grammar of RFC 7208 §12.

    The message is safe to show.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """One macro, ``%{…}``."""

    letter: str  # lower-case
    keep: int  # number of rightmost parts to keep; 0 for all
    reverse: bool
    delimiters: str
    escape: bool  # URL escaping, requested by an upper-case letter


Macros: TypeAlias = tuple[str | Macro, ...]

_EXPAND: Final = r"%\{([slodipvhcrtSLODIPVHCRT])([0-9]{0,9})([rR]?)([.\-+,/_=]*)\}|%([%_-])"
_DOMAIN_TOKEN: Final = re.compile(_EXPAND + r"|([\x21-\x24\x26-\x7e]+)")
_TEXT_TOKEN: Final = re.compile(_EXPAND + r"|([\x20-\x24\x26-\x7e]+)")
_FIXED: Final = {"%": "%", "_": " ", "-": "%20"}
_ONLY_IN_TEXT: Final = frozenset("crt")


def parse_macros(text: str, *, explanation: bool = False) -> Macros:
    """Split *text* into literals and macros. Raises SpfSyntaxError.

    Only an *explanation* may contain spaces and the macros ``c``, ``r`` and ``t``.
    """
    pattern = _TEXT_TOKEN if explanation else _DOMAIN_TOKEN
    tokens: list[str | Macro] = []
    position = 0
    while position < len(text):
        found = pattern.match(text, position)
        if found is None:
            raise SpfSyntaxError("a macro is not valid")
        position = found.end()
        tokens.append(_token(found, explanation=explanation))
    return tuple(tokens)


def _token(found: re.Match[str], *, explanation: bool) -> str | Macro:
    letter, digits, reverse, delimiters, fixed, literal = found.groups()
    if literal is not None:
        return str(literal)
    if fixed is not None:
        return _FIXED[fixed]
    if letter.lower() in _ONLY_IN_TEXT and not explanation:
        raise SpfSyntaxError("a macro is allowed only in explanations")
    if digits and int(digits) == 0:
        raise SpfSyntaxError("a macro keeps 0 parts")
    return Macro(
        letter=letter.lower(),
        keep=int(digits or 0),
        reverse=bool(reverse),
        delimiters=delimiters or ".",
        escape=letter.isupper(),
    )


def letters(macros: Macros) -> frozenset[str]:
    """The macro letters that occur in *macros*."""
    return frozenset(token.letter for token in macros if isinstance(token, Macro))


def expand(macros: Macros, value: Callable[[str], str]) -> str:
    """Expand *macros*; *value* returns the text for a macro letter."""
    return "".join(token if isinstance(token, str) else _apply(token, value(token.letter)) for token in macros)


def _apply(macro: Macro, text: str) -> str:
    if macro.keep or macro.reverse or macro.delimiters != ".":
        for delimiter in macro.delimiters[1:]:
            text = text.replace(delimiter, macro.delimiters[0])
        parts = text.split(macro.delimiters[0])
        if macro.reverse:
            parts.reverse()
        text = ".".join(parts[-macro.keep :])
    return quote(text, safe="-._~") if macro.escape else text
