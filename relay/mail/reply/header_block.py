"""The header block above the history in replies of Outlook, Lotus Notes and web mail.

Known by its labels in the languages of relay.mail.reply.labels, and by shape in any other: three or
more lines "Word:" of which the first holds an address and one a time. A form whose labels are the
same words ("From: Berlin") is none: the block needs an address or a subject with a time.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from relay.mail.reply.labels import FORM_WORDS, LABELS
from relay.mail.reply.lines import DATE, TIME, bare

MOST_LINES: Final = 10  # of a block that are examined
_LONGEST_LABEL: Final = 40  # characters
_MOST_FOLDS: Final = 3  # lines of folded recipients between two labels
_LABEL: Final = re.compile(r"[*_]{0,3}([^\W\d_][^:\uff1a<>@\"]{0,31})[:\uff1a][*_]{0,3}(.*)")


class _Field(NamedTuple):
    label: str
    kind: str
    value: str


def field(line: str) -> _Field | None:
    """The label, its kind and the value of a bare *line* "Label: value"; None if it is none."""
    found = _LABEL.match(line)
    if found is None:
        return None
    label = found[1].strip("*_ \t").casefold()
    return _Field(label, LABELS.get(label, ""), found[2].strip("*_ \t")) if label else None


def may_begin_block(line: str) -> bool:
    """Whether a bare *line* has the label of a header, or any label and an address. Cheap."""
    label = line.replace("\uff1a", ":", 1).partition(":")[0]
    return len(label) <= _LONGEST_LABEL and (label.strip("*_ \t").casefold() in LABELS or "@" in line)


def begins_block(lines: Sequence[str], number: int, line: str, *, ruled: bool = False) -> bool:
    """Whether the header block of an earlier mail starts at *number*, whose bare line is *line*.

    *ruled*: a horizontal rule is above it.
    """
    first = field(line)
    if first is None:
        return False
    fields = _fields(lines, number, first)
    return _known(fields, ruled=ruled) or _by_shape(fields)


def _fields(lines: Sequence[str], number: int, first: _Field) -> list[_Field]:
    fields, folds, blanks = [first], 0, 0
    for text in lines[number + 1 : number + MOST_LINES]:
        line = bare(text)
        found = field(line) if line else None
        if found is not None and (not blanks or found.kind):
            fields.append(found)
            folds = blanks = 0
        elif line and not blanks and folds < _MOST_FOLDS and ("@" in line or ";" in line or text[:1] in " \t"):
            folds += 1
        elif line or blanks:
            break
        else:
            blanks = 1
    return fields


def _known(fields: Sequence[_Field], *, ruled: bool) -> bool:
    values: dict[str, str] = {}
    for each in fields:
        values.setdefault(each.kind, each.value)
    values.pop("", None)
    if "from" not in values or len(values) < 3 or not any(each.kind == "from" for each in fields[:4]):
        return False
    if "@" in values["from"] or (ruled and "sent" in values):
        return True
    when = values.get("date", "")
    return "subject" in values and ("sent" in values or bool(TIME.search(when) or DATE.search(when)))


def _by_shape(fields: Sequence[_Field]) -> bool:
    if len(fields) < 3 or "@" not in fields[0].value or any(word in fields[0].label for word in FORM_WORDS):
        return False
    addresses = sum("@" in each.value for each in fields)
    return (addresses > 1 or len(fields) > 3) and any(TIME.search(each.value) for each in fields[1:])
