"""A line of a mail as the readers of a reply compare it: trimmed, bounded, without direction marks."""

import re
from collections.abc import Sequence
from typing import Final

LONGEST: Final = 500  # characters of a line that are examined
# Direction marks and zero-width characters surround names and addresses in Arabic and Hebrew mail.
_MARKS: Final = re.compile("[\u061c\ufeff\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069]+")
DIGIT: Final = re.compile(r"\d")  # without one there is no date and no time
DATE: Final = re.compile(r"\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2}|\d{1,2}月\d")
TIME: Final = re.compile(r"\d{1,2} ?[:.h時时点시٫] ?\d\d|\d{1,2} ?(?:[ap]\.?m\b|uhr\b|時|时|点|시)", re.IGNORECASE)

# "Message" in the dividers of mail programs.
NAMES_MESSAGE: Final = re.compile(
    r"messa|mess\.|nachricht|mail|mensa|bericht|meddel|melding|viesti|wiadomo|zpráv|správ|сообщ|письм|лист"
    r"|повідом|üzenet"
    r"|levél|μήνυμα|ileti|mesaj|pesan|thư|tin nhắn|termin|appointment|besked|brev|邮件|郵件|消息|訊息|メッセージ"
    r"|メール"
    r"|메시지|메일|הודעה|رسالة|الرسالة|ข้อความ|संदेश|porok|poruk|поруч|sõnum|laišk|ziņoj|skilabo|skeyti"
    r"|сообщение|писмо",
    re.IGNORECASE,
)


# Letters that a pattern without regard to case takes for another one, and `lower` does not.
_ALIKE: Final = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s"})


class Stems:
    """Parts of words of which a line must hold one before a pattern of them is tried; much cheaper than the pattern."""

    def __init__(self, *words: str) -> None:
        folded = sorted({_folded(word) for word in words})
        self._ascii = tuple(word for word in folded if word.isascii())
        self._all = tuple(folded)

    def within(self, line: str) -> bool:
        """Whether one of them is in *line*, in any case of its letters."""
        folded = _folded(line)
        return any(word in folded for word in (self._ascii if folded.isascii() else self._all))


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_ALIKE).lower()


def bare(line: str) -> str:
    """*line* without outer blanks and direction marks, at most LONGEST characters."""
    line = line.strip()[:LONGEST]
    return line if line.isascii() else _MARKS.sub("", line).replace("\xa0", " ").strip()


def bare_lines(text: str) -> list[str]:
    """The bare lines of *text*; as many as it has lines."""
    if not text.isascii() and _may_hold_marks(text):
        text = _MARKS.sub("", text).replace("\xa0", " ")
    return [line.strip()[:LONGEST] for line in text.split("\n")]


def _may_hold_marks(text: str) -> bool:
    """Whether a mark, or a blank that does not break, may be in *text*; quick for Western letters."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return not text.replace("\n", "").isprintable()
    return "\xad" in text or "\xa0" in text


def following(lines: Sequence[str], number: int, *, within: int = 4) -> int | None:
    """Number of the first non-blank line at or after *number*, among *within* lines."""
    return next((at for at in range(number, min(number + within, len(lines))) if lines[at].strip()), None)
