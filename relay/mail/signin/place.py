"""Which code on a line is the one that a name on the same line means."""

import re
from typing import Final

from relay.mail.signin.candidates import Candidate, in_text, is_year, last
from relay.mail.signin.names import Name

_AFTER: Final = 90  # characters between a name and a code behind it
_AFTER_UNLINKED: Final = 45
_AFTER_PLAIN: Final = 15
_BEFORE: Final = 45
_ONE_WORD: Final = 9  # characters of a name that is one word, as in Turkish behind its code
_YEAR_AFTER: Final = 8
_SENTENCE_ENDS: Final = (". ", "! ", "? ", "\u3002", "\uff01", "\uff1f")
# "is" and the signs that lead from a name to its code.
_LINKED: Final = re.compile(
    r"(?:[:\uff1a=>\-\u2013\u2014]|[为為是はがにを은는이가]"
    r"|(?<!\w)(?:is|es|est|ist|lautet|lauten|è|é|är|er|on|jest|je|este|adalah|ialah|là|είναι|הוא|هو|है|son))"
    r"[\s*_\"'\u201c(\[\u300c\u3010]{0,6}\Z"
)
_OPENS: Final = re.compile(r"(?:\A|[^\w\s])\s{0,3}[*_\"'\u201c\u300c\u3010\[(]{0,4}\Z")
# "483920 is your code", "Enter 483920 as your code".
_BACKWARDS: Final = re.compile(
    r"\s{0,3}(?:is|as|to|ist|als|est|comme|es|como|è|é|come|är|som|er|on|to|jest|jako|je|este|là|adalah|[-\u2013\u2014])\s",
    re.IGNORECASE,
)
_PLURAL: Final = re.compile(r"(?:code|password|otp|pin|key)s\Z", re.IGNORECASE)
_WORD: Final = re.compile(r"\s{0,3}[^\W\d_]")


def meant(line: str, name: Name) -> Candidate | None:
    """The code behind *name* on its *line*, else the one before it."""
    if (end := last(line)) and end.start >= name.end and _is_behind(line, name, end, _AFTER):
        return end
    before = None
    for found in in_text(line):
        if found.start >= name.end:
            if _follows(line, name, found):
                return found
        elif found.end <= name.start and _leads(line, name, found):
            before = found
    return before


def _is_behind(line: str, name: Name, found: Candidate, reach: int) -> bool:
    between = line[name.end : found.start]
    if is_year(found.code) and len(between) > _YEAR_AFTER:
        return False
    return len(between) <= reach and not any(end in between for end in _SENTENCE_ENDS)


def _follows(line: str, name: Name, found: Candidate) -> bool:
    """Whether words or signs lead from *name* to the code, and no other word makes it a number of things."""
    between = line[name.end : found.start]
    counted = _WORD.match(line, found.end) is not None
    if counted and _PLURAL.search(line, name.start, name.end):
        return False
    if len(between.strip()) <= 1:
        return True
    if _LINKED.search(between[-20:]):
        return _is_behind(line, name, found, _AFTER_PLAIN if name.kind == "plain" else _AFTER)
    return name.kind != "plain" and not counted and _is_behind(line, name, found, _AFTER_UNLINKED)


def _leads(line: str, name: Name, found: Candidate) -> bool:
    """Whether the code is right before *name*, or begins a phrase such as "483920 is your code"."""
    between = line[found.end : name.start]
    if is_year(found.code) or len(between) > _BEFORE or any(end in between for end in _SENTENCE_ENDS):
        return False
    if len(between) <= 1:
        return name.kind != "plain" or (name.end - name.start <= _ONE_WORD and " " not in line[name.start : name.end])
    if _BACKWARDS.match(between):
        return name.kind != "plain" or len(between) <= _AFTER_PLAIN
    return name.kind != "plain" and _OPENS.search(line[: found.start]) is not None
