"""Lines that divide the new text from the history: "-----Original Message-----", "reply above this line"."""

import re
from typing import Final

from relay.mail.reply.attribution import find_wrote
from relay.mail.reply.lines import DATE, NAMES_MESSAGE, TIME, Stems

_RULE: Final = re.compile(r"[_\-=\u2014\u2013\u2015\u2500]{5,500}")
SIGNS: Final = "-_=*#~\u2014\u2013\u2015\u2500+ "
_LEAST, _MOST, _LONGEST_WORDS = 2, 90, 301  # signs before and behind the words, and characters of these
_ORIGINAL: Final = re.compile(
    r"original|ursprünglich|ursprung|d['\u2019]origine|origine|originelle|oorspronkelijk|oprindelig|opprinnelig"
    r"|alkuperäi"
    r"|oryginaln|původní|pôvodn|исходн|оригинал|початков|вихідн|eredeti|αρχικ|orijinal|özgün|inițial|asli|gốc"
    r"|元の|原始|原邮件|原郵件|원본|מקורית|הקודמת|الأصلية|ต้นฉบับ|मूल|izvorn|изворн|originaal|pradin|sākotn"
    r"|upphafleg",
    re.IGNORECASE,
)
_ORIGINAL_STEMS: Final = Stems(*(word for word in _ORIGINAL.pattern.split("|") if "[" not in word))
_ABOVE: Final = re.compile(
    r"(?:reply|respond|respon[ds]e|write|type|answer|enter|comment)[^.]{0,40} above this line"
    r"|above this line to (?:reply|respond|add)"
    r"|(?:oberhalb|über) dieser (?:linie|zeile)|au[- ]dessus de cette ligne|(?:encima|arriba) de esta l[ií]nea"
    r"|(?:sopra|al di sopra di) quest[ao] (?:riga|linea)|acima d(?:esta|essa|e esta) linha|boven deze (?:regel|lijn)"
    r"|ovanför (?:den här|denna) (?:raden|linjen)|over denne (?:linje|linjen)|powyżej te(?:j|go) (?:linii|wiersza)"
    r"|(?:выше|над) этой (?:линии|линией|строки|строкой|черты)|nad t(?:outo|ímto) (?:řádkem|linií|čárou)"
    r"|bu satırın üst"
    r"|tämän rivin yläpuolel|この(?:行|線)(?:より|の)上|在此(?:行|线|線)(?:以|之)?上|이 (?:줄|선) 위|e sor fölé"
    r"|deasupra acestei linii"
    r"|πάνω από αυτή τη γραμμή|מעל (?:ה)?שורה (?:ה)?זו|فوق هذا (?:السطر|الخط)|di atas baris ini|phía trên dòng này",
)
# "Line" in those languages: where none is in a line, it asks for nothing.
_LINE: Final = (
    "this line", "diese", "ligne", "línea", "linea", "riga", "linha", "deze ", "raden",
    "linje", "linii", "wiersza", "лини", "строк", "черт", "řádkem", "čárou", "satır",
    "rivin", "この", "在此", "이 줄", "이 선", "e sor", "γραμμή", "שורה", "السطر", "الخط",
    "baris", "dòng",
)  # fmt: skip
_LONGEST_REQUEST: Final = 120
_LONGEST_OPEN: Final = 40


def is_rule(line: str) -> bool:
    """Whether a bare *line* is a horizontal rule, as mail programs draw above the history."""
    return _RULE.fullmatch(line) is not None


def divided_words(line: str) -> str:
    """The words between the dashes of a bare *line* such as "----- Original Message -----"; empty if it is none."""
    behind = line.lstrip(SIGNS)
    if not behind or not _LEAST <= len(line) - len(behind) <= _MOST:
        return ""
    words = behind.rstrip(SIGNS)
    if len(behind) - len(words) > _MOST:
        words = behind[:-_MOST]
    return words if len(words) <= _LONGEST_WORDS else ""


def begins_original(line: str, words: str) -> bool:
    """Whether a divider announces the history: its *words* are "Original Message" or "On …, Ana wrote"."""
    closed = line[-2:].strip(SIGNS) == ""
    if not closed and len(words) >= _LONGEST_OPEN:
        return False
    if _says_who_wrote(words):
        return closed
    if len(words.split()) > 6 or not _is_original(words):
        return False
    return bool(NAMES_MESSAGE.search(words)) or (line.startswith("-" * 8) and closed)


def _says_who_wrote(words: str) -> bool:
    return find_wrote(words) is not None or ("@" in words and bool(DATE.search(words) or TIME.search(words)))


def _is_original(words: str) -> bool:
    return _ORIGINAL_STEMS.within(words) and _ORIGINAL.search(words) is not None


def names_original(line: str) -> bool:
    """Whether a bare *line* is "Original Message" without dashes, as BlackBerry writes it."""
    return len(line.split()) <= 4 and _is_original(line) and NAMES_MESSAGE.search(line) is not None


def asks_to_reply_above(line: str) -> bool:
    """Whether a bare *line* is the delimiter of a ticket system: "##- Please type your reply above this line -##"."""
    if line.startswith("##-") and line.endswith("-##"):
        return True
    if len(line) > _LONGEST_REQUEST:
        return False
    lowered = line.lower()
    return any(word in lowered for word in _LINE) and _ABOVE.search(lowered) is not None
