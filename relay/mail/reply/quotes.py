"""Quoted lines: those that begin with ">", and "AB>" where a mail program puts the author's initials."""

import re
from collections.abc import Sequence
from typing import Final

from relay.mail.reply.lines import TIME, bare

_INITIALS: Final = re.compile(r"[^\W\d_]{1,3}>")
_MARKS: Final = re.compile(r"[> ]{1,40}")


def is_quoted(line: str, *, initials: bool = False) -> bool:
    """Whether a bare *line* is quoted; *initials*: also as "AB> words", which only follows an attribution."""
    return line.startswith(">") or (initials and _INITIALS.match(line) is not None)


def block_end(lines: Sequence[str], start: int, *, initials: bool) -> int:
    """Number of the line after the quoted block at *start*; blank lines between quoted lines belong to it."""
    end = at = start
    while at < len(lines):
        line = bare(lines[at])
        if is_quoted(line, initials=initials):
            end = at + 1
        elif line:
            break
        at += 1
    return end


def unquoted(lines: Sequence[str]) -> list[str]:
    """*lines* without their marks, and without the blank ones at the beginning."""
    found = [_MARKS.sub("", line.lstrip(), count=1) for line in lines]
    first = next((at for at, line in enumerate(found) if line.strip()), len(found))
    return found[first:]


def opens_unmarked_quote(line: str) -> bool:
    """Whether a bare *line* is GroupWise's ">>> Bob <bob@example.com> 10:00 >>>": what follows has no marks."""
    return line.startswith(">>>") and line.endswith(">>>") and len(line) > 6 and TIME.search(line) is not None
