"""The lines of a mail that name a sign-in code, and where the name is."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from relay.mail.signin.candidates import ascii_digits
from relay.mail.signin.words import (
    MEETINGS,
    NOUNS,
    NOUNS_BEYOND_ASCII,
    OFFERS,
    OTHER_CODES,
    PLAIN,
    SIGN_IN,
    SOFT,
    STRICT,
    STRICT_JOINED,
    TRADE,
)

_LINK: Final = re.compile(r"<?(?:https?://|www\.|mailto:)[^\s<>]{1,2000}>?")
_MOST_LINES: Final = 40  # lines with a name that are examined
_MOST_CHARACTERS: Final = 1000  # characters of a line that are examined
_NEARBY: Final = 3  # lines around a plain name in which a word of signing in makes it one
# "Use 483920 to sign in": a code without its name.
_USED: Final = re.compile(
    r"\b(?:use|enter|type|input|type in) (?=[\d-]{4,9} (?:to|as|on|in|at|when)\b)"
    r"|(?=\b[\d-]{4,9} (?:is your|to (?:sign|log|verify|confirm)))"
)


_ABOUT: Final = {"offers": OFFERS, "trade": TRADE, "meetings": MEETINGS}
_PERCENTAGE: Final = re.compile(r"\d ?%(?=[\s.,;!)])")


class Name(NamedTuple):
    """Where the name of a code is: its line, and its start and end in it.

    `kind`: "strict", "soft" or "plain", as relay.mail.signin.words tells.
    """

    line: int
    start: int
    end: int
    kind: str


def nouns_in(lowered: str) -> tuple[str, ...]:
    """The words of *lowered*, a text in lower case, without which a text names no code."""
    found = tuple(noun for noun in NOUNS if noun in lowered)
    return found if lowered.isascii() else found + tuple(noun for noun in NOUNS_BEYOND_ASCII if noun in lowered)


def clean(line: str) -> str:
    """*line* with ASCII digits and without its URLs, whose digits are no codes."""
    line = ascii_digits(line[:_MOST_CHARACTERS])
    return _LINK.sub("", line) if "/" in line or "mailto:" in line else line


def named_lines(lines: Sequence[str], nouns: Sequence[str]) -> Iterator[tuple[Name, str]]:
    """The names of codes in *lines*, of which the first is the subject, at most one in each; and the clean line."""
    examined = 0
    for number, line in enumerate(lines):
        lowered = line.lower()
        if not any(noun in lowered for noun in nouns):
            continue
        examined += 1
        if examined > _MOST_LINES:
            return
        line = clean(line)  # noqa: PLW2901 - its URLs hold words too
        if (name := _name(line.lower(), number)) is not None:
            yield name, line


def _name(lowered: str, number: int) -> Name | None:
    strict = STRICT.search(lowered) or (None if lowered.isascii() else STRICT_JOINED.search(lowered))
    if strict:
        return Name(number, *strict.span(), kind="strict")
    if found := SOFT.search(lowered):
        return Name(number, *found.span(), kind="soft")
    if found := PLAIN.search(lowered) or _USED.search(lowered):
        return Name(number, *found.span(), kind="plain")
    return None


class Surroundings:
    """What a mail says around the names of its codes; found when a name asks."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._about: dict[str, bool] = {}

    def about(self, kind: str) -> bool:
        """Whether the mail is about *kind*: "offers", "trade" or "meetings"."""
        if kind not in self._about:
            whole = _spaced(self._lines)
            words = _ABOUT[kind]
            self._about[kind] = any(word in whole for word in words) or (kind == "offers" and _has_percentage(whole))
        return self._about[kind]

    def sign_in_near(self, number: int) -> bool:
        """Whether the subject or a line near *number* is about signing in or confirming."""
        near = _spaced([self._lines[0], *self._lines[max(0, number - _NEARBY) : number + _NEARBY + 1]])
        return any(word in near for word in SIGN_IN)

    def subject_names_it(self) -> bool:
        """Whether the subject names a code, and nothing that is ordered or booked."""
        subject = _spaced(self._lines[:1])
        return SOFT.search(subject) is not None and not any(word in subject for word in TRADE)

    def other_code(self, number: int) -> bool:
        """Whether the line at *number* names the code of an offer, an order, a place or a product."""
        line = _spaced([self._lines[number]])
        return OTHER_CODES.search(line) is not None or any(word in line for word in OFFERS)


def _has_percentage(whole: str) -> bool:
    return "%" in whole and _PERCENTAGE.search(whole) is not None


def _spaced(lines: Sequence[str]) -> str:
    """*lines* in lower case as one line, with one blank between words and around them."""
    return f" {' '.join(' '.join(line[:_MOST_CHARACTERS] for line in lines).lower().split())} "
