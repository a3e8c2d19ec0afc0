"""The shapes of sign-in codes, and what shows that a number is a date, an amount or a telephone number."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_PREFIXED: Final = r"[A-Z]{1,4}-\d{4,8}"
_GROUPED: Final = r"[A-Z0-9]{3,5}-[A-Z0-9]{3,5}(?:-[A-Z0-9]{3,5})?"
_SPLIT: Final = (
    r"\d{3}[ \u2009\u202f]\d{3}|\d{4}[ \u2009\u202f]\d{4}|\d{2}[ -]\d{2}[ -]\d{2}|\d(?:[ \u2009]{1,3}\d){3,7}"
)
_MIXED: Final = r"(?=[A-Z]{0,9}\d)(?=\d{0,9}[A-Z])[A-Z0-9]{5,10}"
_CODE: Final = rf"{_PREFIXED}|{_GROUPED}|{_SPLIT}|\d{{4,8}}|{_MIXED}"
_JOINED: Final = r"0-9A-Za-z_\u00c0-\u1fff"  # a letter that is joined to a code makes it a word; not in East Asia
_IN_TEXT: Final = re.compile(
    rf"(?<![{_JOINED}.,/@#+&=%$€£¥₹₽\u2116\u2022-])(?<!\d )(?:{_CODE})(?![{_JOINED}@/%€£¥₽₺-]|[.,:]\d| ?[%€£¥₽₺]| \d)"
)
# A code alone on its line, or last after a colon, may also be letters only or in lower case.
_LOOSE: Final = (
    rf"{_CODE}|[A-Z]{{5,8}}|(?=[A-Za-z]{{0,9}}\d)(?=\d{{0,9}}[A-Za-z])[A-Za-z0-9]{{5,10}}|[a-z]{{4,5}}-[a-z]{{4,5}}"
)
_ALONE: Final = re.compile(
    rf"[\s*_|>\"'`\u00ab\u201c\u201e\u201d\[\]()\u300c\u3010\u2192-]{{0,8}}({_LOOSE})"
    rf"[\s*_|\"'`\u00bb\u201c\u201d\[\]().\u300d\u3011\u3002]{{0,8}}"
)
_LAST: Final = re.compile(rf"[:\uff1a][\s*_\"'`\u201c\[(]{{0,6}}({_LOOSE})[\s*_\"'`\u201d\]).\u3002]{{0,6}}\Z")
_WORDS: Final = frozenset(
    {
        "WORDS", "VERIFY", "CONFIRM", "LOGIN", "SIGNIN", "SUBMIT", "ACCEPT", "CANCEL", "ACCOUNT", "SECURE",
        "SECURITY", "WARNING", "NOTICE", "WELCOME", "SUPPORT", "HELLO", "THANKS", "CONTINUE", "ACTIVATE",
        "IMPORTANT", "EMAIL", "PHONE", "HTTPS", "ACCEDER", "VERIFICAR", "ENTRAR", "ACCEDI", "ANMELDEN",
        "LOGGEN", "CODE", "TOKEN", "PASSWORD", "EXPIRES", "MINUTES", "PLEASE", "REGARDS", "SINCERELY",
        "TEAM", "UNSUBSCRIBE", "REPLY", "ALERT", "ACCESS", "RESET", "BUTTON", "CONTACT", "PRIVACY", "TERMS",
    }
)  # fmt: skip
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_OFFER: Final = re.compile(r"[A-Z]{4,}\d{1,4}")
_BEFORE: Final = re.compile(
    r"(?:\b(?:order|invoice|receipt|ticket|case|ref|reference|account|customer|phone|tel|call|fax|mobile|zip|box"
    r"|suite|flight|version|port|iso|rfc"
    r"|iban|usd|eur|gbp|chf|inr|rs|nr|no|num|id|ending(?: in| with)?|since|in|year|article|item|sku|room|page"
    r"|endet auf|endend auf|terminant par"
    r"|finissant par|termin\w+ en|che termina con|eindigend op|slutar på|kończ\w+ (?:się )?na|bestellung"
    r"|rechnung|commande|facture|pedido|factura"
    r"|ordine|fattura|zamówieni\w|заказ\w?|счет\w?|tel|telefon|build|model|kl|dated?)[\s.:#\u2116]{0,3}|\u00a9 ?"
    r"|n[°º] ?|\(c\) ?|\+\d{1,3} ?|\(\d{2,5}\) ?"
    r"|[*x\u2022]{3,} ?|尾号(?:为)?|末尾|下4桁|끝자리|注文番号|订单号?|訂單|電話|전화)\Z",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"\s?(?:minut|min\b|sec|sek|hour|hrs?\b|stund|heur|horas?\b|ore\b|day|days|tag|jour|días|giorn|people|users"
    r"|customers|companies|employees|visitors|members|subscribers|followers|downloads|words|pages|items|steps|episodes"
    r"|points|euros?\b|eur\b|usd\b|gbp\b"
    r"|chf\b|inr\b|kr\b|zł|kč|руб|грн|mb\b|gb\b|kb\b|km\b|kg\b|px\b|分钟|分鐘|分|秒|小时|円|元|원|분|초|年|년|%)",
    re.IGNORECASE,
)
_SPACES: Final = re.compile(r"[\s\u2009\u202f]+")
_ZEROS: Final = (0xFF10, 0x0660, 0x06F0, 0x0966)  # full-width, Arabic, Persian and Devanagari digits
_DIGITS: Final = {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)} | {0xA0: " "}


class Candidate(NamedTuple):
    """A code as an agent types it, and where it is in its line."""

    code: str
    start: int
    end: int


def ascii_digits(line: str) -> str:
    """*line* with digits of other scripts as ASCII digits; the length stays the same."""
    return line if line.isascii() else line.translate(_DIGITS)


def in_text(line: str) -> Iterator[Candidate]:
    """The candidates in *line*, without dates, amounts, telephone numbers and other numbers."""
    for found in _IN_TEXT.finditer(line):
        start, end = found.span()
        if not _is_other(line, start, end):
            yield Candidate(_typed(found[0]), start, end)


def alone(line: str) -> str | None:
    """The code that fills *line* but for brackets, quotes and marks of emphasis."""
    found = _ALONE.fullmatch(line)
    return _loose(found[1]) if found else None


def last(line: str) -> Candidate | None:
    """The code behind the colon that ends *line*."""
    found = _LAST.search(line)
    code = _loose(found[1]) if found else None
    return Candidate(code, found.start(1), found.end(1)) if found and code else None


def is_year(code: str) -> bool:
    """Whether *code* may as well be a year."""
    return _YEAR.fullmatch(code) is not None


def is_offer(code: str) -> bool:
    """Whether *code* is a word and a number, as those of offers are: "AUTUMN20"."""
    return _OFFER.fullmatch(code) is not None


def _is_other(line: str, start: int, end: int) -> bool:
    return _BEFORE.search(line[max(0, start - 24) : start]) is not None or _AFTER.match(line, end) is not None


def _loose(words: str) -> str | None:
    return None if words.replace("-", "") in _WORDS else _typed(words)


def _typed(words: str) -> str:
    return _SPACES.sub("", words)
