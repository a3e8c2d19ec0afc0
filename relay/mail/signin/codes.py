"""Find sign-in and confirmation codes in a mail: "Your code is 483920". Pure.

A code is a number or a short group of letters that a word for such a code names, on its line or above
it. Order numbers, amounts, dates and offers are none. The cost is linear and bounded: the first
32 KiB of a text are read.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from relay.mail.parsed_mail import Code
from relay.mail.signin.candidates import alone, is_offer, is_year
from relay.mail.signin.names import Name, Surroundings, clean, named_lines, nouns_in
from relay.mail.signin.place import meant

MOST_CODES: Final = 5
MAX_SCANNED: Final = 32 * 1024  # characters
_MOST_SUBJECT: Final = 1000  # characters
_LONGEST_ALONE: Final = 100
_MOST_CONTEXT: Final = 200  # characters
_LINES_BELOW: Final = 4  # non-blank lines below a name in which its code may be
_LINES_ABOVE: Final = 2
_ADJACENT: Final = 12  # characters between "code" and a code where nothing else is about signing in


def find_codes(subject: str, text: str) -> tuple[Code, ...]:
    """At most MOST_CODES sign-in or confirmation codes of a mail, in order of appearance."""
    subject, text = subject[:_MOST_SUBJECT], text[:MAX_SCANNED]
    nouns = nouns_in(f"{subject}\n{text}".lower())
    if not nouns:
        return ()
    lines = (subject, *text.split("\n"))
    around = Surroundings(lines)
    found: dict[str, Code] = {}
    for name, line in named_lines(lines, nouns):
        if (code := _code_of(lines, line, name, around)) is not None:
            found.setdefault(code.code, code)
        if len(found) == MOST_CODES:
            break
    return tuple(found.values())


def _code_of(lines: Sequence[str], line: str, name: Name, around: Surroundings) -> Code | None:
    found, context = meant(line, name), line
    code = found.code if found else None
    if code is None and name.line:
        code, context = _near(lines, line, name)
    if code is None or (name.kind == "plain" and is_offer(code)):
        return None
    adjacent = found is not None and 0 <= found.start - name.end <= _ADJACENT
    if not _is_sign_in(name, around, adjacent=adjacent):
        return None
    return Code(code=code, context=" ".join(context.split())[:_MOST_CONTEXT])


def _is_sign_in(name: Name, around: Surroundings, *, adjacent: bool) -> bool:
    """Whether the mail around *name* makes its code one for signing in or confirming."""
    if around.about("meetings"):
        return False
    if name.kind == "strict":
        return True
    if around.other_code(name.line):
        return False
    near = around.sign_in_near(name.line)
    if name.kind == "soft":
        return near or not around.about("trade") or around.subject_names_it()
    return (near or adjacent) and not around.about("offers") and not around.about("trade")


def _near(lines: Sequence[str], line: str, name: Name) -> tuple[str | None, str]:
    """The code alone on a line below, else above, and the two lines as its context."""
    below = (at for at in range(name.line + 1, min(name.line + 16, len(lines))) if lines[at].strip())
    above = (at for at in range(name.line - 1, max(name.line - 8, 0), -1) if lines[at].strip())
    for at in (*islice(below, _LINES_BELOW), *islice(above, _LINES_ABOVE)):
        near = clean(lines[at])
        code = alone(near) if len(near) <= _LONGEST_ALONE else None
        if code and not is_year(code):
            return code, f"{line} {near}" if at > name.line else f"{near} {line}"
    return None, line
