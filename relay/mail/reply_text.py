"""Remove quoted history from a reply, leaving the new text.

Each line is classified by its beginning and end, so the cost is linear. Only history is removed:
text below or between quoted lines stays, and so does a forwarded message, which its sender
wants read. Events carry the complete text as well.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_SCANNED: Final = 64 * 1024  # characters; history that begins later is not removed
_MAX_LINE: Final = 500  # characters of a line that are examined

# "wrote" in the attribution lines of mail programs, in thirteen languages.
_WROTE: Final = re.compile(
    r"(?:wrote|writes|schrieb|écrit|escribió|ha scritto|scrisse|escreveu|schreef|skrev|napisał(?:\(a\)|a)?"
    r"|napsal(?:\(a\)|a)?|kirjoitti|написал|написав|yazd\u0131|写道|のメール|작성)(?![^\W\d_])",
    re.IGNORECASE,
)
_OPENING: Final = re.compile(
    r"(?:On|Am|Le|El|Il|Em|A|Op|Den|Dne|W dniu|Dnia|ons|tis|mån|tor|fre|lör|sön|pe|ke|to|\d|在)(?![^\W\d_])|\w+ <",
    re.IGNORECASE,
)
_DIVIDER: Final = re.compile(
    r"[-_=* ]{3,80}(?:Original Message|Original Appointment|Ursprüngliche Nachricht|Originalnachricht|Message d'origine"
    r"|Message original|Mensaje original|Messaggio originale|Mensagem original|Oorspronkelijk bericht"
    r"|Ursprungligt meddelande|Oprindelig meddelelse|Opprinnelig melding|Wiadomość oryginalna"
    r"|Исходное сообщение)[-_=* ]{0,80}",
    re.IGNORECASE,
)
_FROM: Final = re.compile(r"[* >]{0,8}(?:From|Von|De|Da|Van|Från|Fra|Od|От|发件人|差出人)\*? ?:", re.IGNORECASE)
_BESIDE_FROM: Final = re.compile(
    r"[* >]{0,8}(?:Sent|Date|To|Gesendet|Datum|An|Envoyé|Date|À|Enviado(?: el| em)?|Fecha|Data|Para|Inviato|A"
    r"|Verzonden|Aan|Skickat|Till|Sendt|Til|Wysłano|Do|Дата|Кому|发送时间|收件人|送信日時|宛先)\*? ?:",
    re.IGNORECASE,
)
# An attribution ("… wrote:") without quoted lines below must contain a year or a time of day.
_DATED: Final = re.compile(r"\d{4}|\d{1,2}[:.h]\d\d")
_COLONS: Final = (":", "\uff1a")
_RULE: Final = re.compile(r"[_-]{10,}")


def reply_text(text: str) -> str:
    """*text* without quoted history; *text* itself if the result would be empty.

    Line ends are LF.
    """
    lines = text[:MAX_SCANNED].split("\n")
    kept: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number].strip()[:_MAX_LINE]
        if line.startswith(">"):
            number += 1
        elif length := _attribution(lines, number):
            number += length
            if not _quoted_next(lines, number):
                return _result(kept, text)
        elif _begins_history(lines, number, line):
            return _result(kept, text)
        else:
            kept.append(lines[number])
            number += 1
    if len(kept) == len(lines):
        return text.strip()
    return _result(kept, text, rest=text[MAX_SCANNED:])


def _result(kept: Sequence[str], text: str, *, rest: str = "") -> str:
    while kept and (not kept[-1].strip() or _RULE.fullmatch(kept[-1].strip())) and not rest:
        kept = kept[:-1]
    return ("\n".join(kept) + rest).strip() or text.strip()


def _attribution(lines: Sequence[str], number: int) -> int:
    """Number of lines, 1 to 3, of the attribution "On …, Ana wrote:" at *number*.

    Else 0.
    """
    first = lines[number].strip()[:_MAX_LINE]
    opened = _OPENING.match(first) is not None
    joined = ""
    for length, line in enumerate(lines[number : number + (3 if opened else 1)], 1):
        stripped = line.strip()[:_MAX_LINE]
        if not stripped:
            return 0
        joined += " " + stripped
        if joined.endswith(_COLONS):
            dated = opened and _DATED.search(joined) is not None
            known = _WROTE.search(joined) is not None
            return length if known and (dated or _quoted_next(lines, number + length)) else 0
    return 0


def _quoted_next(lines: Sequence[str], number: int) -> bool:
    """Whether the next non-empty line, among the next four, is quoted."""
    following = (line.strip() for line in lines[number : number + 4])
    return next((line.startswith(">") for line in following if line), False)


def _begins_history(lines: Sequence[str], number: int, line: str) -> bool:
    """Whether *line* starts quoted history: a divider, or the header of the original."""
    if line.startswith(("-", "_", "=", "*")) and _DIVIDER.fullmatch(line):
        return True
    if not _FROM.match(line):
        return False
    beside = sum(_BESIDE_FROM.match(other[:_MAX_LINE].lstrip()) is not None for other in lines[number + 1 : number + 6])
    return beside >= 2
