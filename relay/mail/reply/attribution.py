"""The attribution above a quote, "On Monday, Ana wrote:", known by its shape in any language.

One to three lines that end in a colon and hold an address, a date or a time. Where no quoted line
follows, the verb or an address before the colon is needed too.
"""

import re
from collections.abc import Sequence
from typing import Final

from relay.mail.reply.lines import DATE, DIGIT, TIME, Stems, bare

COLONS: Final = (":", "\uff1a", ":*", ":**", ":_")
MOST_LINES: Final = 3
_FOLD: Final = 50  # a line that was folded before its next word would be longer than this
# "wrote" where mail programs put it. For a line without an address or a date, and where nothing is quoted.
_WROTE: Final = re.compile(
    r"(?:wrote|writes|schrieb|schreibt|écrit|escribió|escrito|ha escrit|scritto|scrisse|escreveu|schreef|geschreven"
    r"|skrev|skrifaði|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|napísal(?:\(a\)|a)?|napisa(?:o|la|l)(?:/la|\(la\)"
    r"|\(a\))?"
    r"|kirjoitti|kirjutas|rašė|rakstīja|пишет|писал(?:\(а\)|а)?|написа(?:л|ла|в|ла)?(?:\(а\))?|пише|yazdı"
    r"|írta|a scris|έγραψε|menulis|đã viết|viết|כתבה?|كتبت?|نوشت|เขียนว่า|लिखा"
    r"|写道|寫道|のメール|書きました|작성)(?![^\W\d_])",
    re.IGNORECASE,
)
# What one of its alternatives begins with.
_WROTE_STEMS: Final = Stems(
    "wrote", "writes", "schrieb", "schreibt", "écrit", "escrib", "escrit", "scritto", "scrisse", "escreveu", "schreef",
    "geschreven", "skrev", "skrifaði", "napisa", "napsal", "napísal", "kirjoitti", "kirjutas", "rašė", "rakstīja",
    "пише", "писал", "написа", "yazdı", "írta", "a scris", "έγραψε", "menulis", "viết", "כתב", "كتب", "نوشت",
    "เขียนว่า", "लिखा", "写道", "寫道", "のメール", "書きました", "작성",
)  # fmt: skip
_OPENING: Final = re.compile(
    r"(?:On|At|Am|Le|El|Il|Em|A|Op|Den|Dne|Dňa|W dniu|Dnia|Pada|În|Στις|Vào|Dana|Ngày|В|ons|tis|mån|tor|fre|lör|sön"
    r"|ma|ti|ke|to|pe|la|su|po|út|st|čt|pá|so|ne|\d|在|于|於)(?![^\W\d_])|\S+ \S* ?<",
    re.IGNORECASE,
)
_ENDS_IN_ADDRESS: Final = re.compile(r"<[^<>@ ]+@[^<> ]+>\)?[ ,]{0,3}[:\uff1a]|\([^()@ ]+@[^() ]+\)[ ,]{0,3}:")
_SENTENCE_ENDS: Final = (".", "!", "?", ":", ";", "\u3002", "\uff01", "\uff1f", "\uff1a")


def find_wrote(line: str) -> re.Match[str] | None:
    """Where *line* says that a person wrote."""
    return _WROTE.search(line) if _WROTE_STEMS.within(line) else None


def attribution(above: Sequence[str], line: str, *, quoted: bool) -> int:
    """Lines of the attribution that ends with *line*, 1 to 3; 0 if *line* ends none.

    *above* holds the lines before it, *line* is bare and ends in a colon, and *quoted* tells
    whether a quoted line follows.
    """
    joined, last = line, line
    for count in range(1, MOST_LINES + 1):
        if _complete(joined, quoted=quoted) and (count == 1 or _may_open(last)):
            return count + _began_above(above[: len(above) + 1 - count], joined, last)
        if len(above) < count or not _continues(top := bare(above[-count]), last):
            break
        joined, last = f"{top} {joined}", top
    return int(quoted and _names_only(line))


def _complete(joined: str, *, quoted: bool) -> bool:
    """Whether *joined* says when, and who wrote."""
    if not DIGIT.search(joined):
        return False
    date, time = DATE.search(joined), TIME.search(joined)
    if not (date or time):
        return False
    if not quoted:
        return "@" in joined and (find_wrote(joined) or _ENDS_IN_ADDRESS.search(joined)) is not None
    return "@" in joined or (date is not None and time is not None) or find_wrote(joined) is not None


def _names_only(line: str) -> bool:
    """Whether *line* is "Bob Stone wrote:", "you wrote:" or "Bob <bob@example.com>:", without a date."""
    verb = find_wrote(line)
    if "@" in line:
        return verb is not None or (_ENDS_IN_ADDRESS.search(line) is not None and len(line.split()) <= 8)
    if verb is None:
        return False
    words = line[: verb.start()].split()
    return 0 < len(words) <= 5 and (words[-1].lower() == "you" or all(_is_name(word) for word in words))


def _is_name(word: str) -> bool:
    return word != "I" and not word[:1].islower()


def _continues(top: str, below: str) -> bool:
    """Whether *top* was folded before the line *below*: it ends no sentence, and is long or ends in a comma."""
    if not top or top.startswith(">") or top.endswith(_SENTENCE_ENDS):
        return False
    folded = len(top) + 1 + len(below.split(None, 1)[0]) > _FOLD
    return folded or top.endswith(",") or "@" in top or below.startswith("<")


def _may_open(top: str) -> bool:
    return _OPENING.match(top) is not None or "@" in top or TIME.search(top) is not None


def _began_above(above: Sequence[str], joined: str, last: str) -> int:
    """1 if the attribution began a line earlier: its date is there and only its time is here."""
    if not above or DATE.search(joined) or not (top := bare(above[-1])):
        return 0
    folded = len(top) + 1 + len(last.split(None, 1)[0]) > _FOLD and not top.endswith(_SENTENCE_ENDS)
    return int(folded and DATE.search(top) is not None and _OPENING.match(top) is not None)
