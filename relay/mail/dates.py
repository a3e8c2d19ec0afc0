"""Parse the Date of a message: RFC 5322 §3.3 and §4.3, and the forms that mail programs write.

Called inside the SMTP transaction: the form of the standard takes one search. A value is read whole
or not at all: what is not understood is None, never a moment that is wrong.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from relay.mail.charset.text import decode_bytes

_EARLIEST_YEAR: Final = 1970
_MAX_BYTES: Final = 256
_MAX_HOURS: Final = 14  # the widest offset in use is +14:00

_STANDARD: Final = re.compile(
    rb"(?:[A-Za-z]{3}, ?)?(\d\d?) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-])(\d\d)(\d\d)(?: *\([^()]*\))?"
)
_COMMENT: Final = re.compile(r"\(([^()]*)\)")
_TIME: Final = (
    r"(?P<hour>\d{1,2})\s?[:.]\s?(?P<minute>\d{1,2})(?:\s?[:.]\s?(?P<second>\d{1,2})(?:[.,]\d{1,9})?)?"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?"
)
_ZONE: Final = r"(?P<zone>[^\d\s,][^,]*)?"
_WEEKDAY: Final = r"(?:[^\W\d_]{1,20}(?:-[^\W\d_]{1,20})?\.?\s?[,;]?\s*)?"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.|er|º)?"
_MONTH: Final = r"(?P<month>[^\W\d_]{3,12}\.?|\d{1,2}(?:月|월))"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        # 23 Nov 2026 10:00:00 +0000; 23-Nov-2026; 23. November 2026 um 10:00
        rf"{_WEEKDAY}{_DAY}[\s./-]*(?:de\s)?{_MONTH}[\s./,-]*(?:de\s)?(?P<year>\d{{2,4}})\s?,?\s*(?:at\s|um\s|à\s|kl\.?\s)?\s*{_TIME}\s*{_ZONE}",
        # Nov 23, 2026 10:00 AM -0500; Mon Nov 23 2026 10:00:00 GMT+0100
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}})\s?,?\s*(?:at\s)?\s*{_TIME}\s*{_ZONE}",
        # Mon Nov 23 10:00:00 CET 2026; Mon Nov 23 10:00:00 2026 +0100
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+{_TIME}\s+(?P<before>[^\d\s][^,]*?\s+)?(?P<year>\d{{4}})(?:\s+{_ZONE})?",
        # 2026-11-23T10:00:00.000Z; 2026/11/23 19:00 +0900; Mon, 2026-11-23 10:00
        rf"{_WEEKDAY}(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?:\s*[t_,]\s*|\s+){_TIME}\s*{_ZONE}",
        # 2026年11月23日 10:00
        rf"(?P<year>\d{{4}})[年년]\s?(?P<month>\d{{1,2}})[月월]\s?(?P<day>\d{{1,2}})[日일]\s*{_TIME}\s*{_ZONE}",
        # 20261123T100000Z
        (r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)t?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?P<half>\b)?"
        rf"{_ZONE}"),
        # 23.11.2026 10:00: day and month in this order wherever dots are written
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}})\s?,?\s*{_TIME}\s*{_ZONE}",
    )
)  # fmt: skip
_SLASHED: Final = re.compile(rf"{_WEEKDAY}(\d{{1,2}})[/-](\d{{1,2}})[/-](?P<year>\d{{4}})\s?,?\s*{_TIME}\s*{_ZONE}")
_OFFSET: Final = re.compile(
    r"(?P<name>[^\W\d_]{1,5})?\s*(?P<sign>[+\u2212-])\s?(?P<hours>\d{1,2}?):?(?P<minutes>\d{2})?(?:\s+(?P<behind>[^\W\d_]{1,5}))?"
)
# Names are in lower case without accents. Months are of languages in which no name means another month
# elsewhere: "listopad" is October in Croatia and November in Poland, so it is not here. A zone name with two
# meanings is here only if RFC 5322 §4.3 decides: IST, AST and the military letters have no sure meaning.
_MONTH_NAMES: Final = (
    ("january jan januar janner janv janvier enero ene gennaio gen janeiro januari styczen stycznia sty ocak "
    "oca янв января январь"),
    ("february feb februar febr fev fevr fevrier febrero febbraio fevereiro februari luty lutego lut subat sub "
    "фев февр февраля февраль"),
    "march mar marz mrz maerz mars marzo marco maart mrt marts marzec marca мар марта март",
    "april apr avril avr abril abr aprile aprili kwiecien kwietnia kwi nisan nis апр апреля апрель",
    "may mai mayo maggio mag maio mei maj maja mayis май мая",
    "june jun juni juin junio giugno giu junho czerwiec czerwca cze haziran haz июн июня июнь",
    "july jul juli juillet juil julio luglio lug julho lipca lipiec temmuz tem июл июля июль",
    "august aug aout agosto ago augustus augusti sierpien sierpnia sie agustos agu авг августа август",
    ("september sep sept septembre septiembre setiembre settembre set setembro wrzesien wrzesnia wrz eylul eyl "
    "сен сент сентября сентябрь"),
    ("october oct oktober okt octobre octubre ottobre ott outubro out pazdziernik pazdziernika paz ekim eki окт "
    "октября октябрь"),
    "november nov novembre noviembre novembro kasim kas ноя нояб ноября ноябрь",
    ("december dec dezember dez decembre diciembre dic dicembre dezembro desember des grudzien grudnia gru "
    "aralik ara дек декабря декабрь"),
)  # fmt: skip
_MONTH_NUMBERS: Final = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}

_HOURS: Final = {
    "ut utc gmt z wet uct": 0, "coordinated universal time": 0, "greenwich mean time": 0, "gmt standard time": 0,
    "cet met mez bst west wat": 1, "w. europe standard time": 1, "central europe standard time": 1,
    "central european standard time": 1, "central european time": 1, "romance standard time": 1, "gmt daylight time": 1,
    "british summer time": 1, "mitteleuropaische zeit": 1,
    "cest mest mesz eet cat sast": 2, "w. europe daylight time": 2, "central europe daylight time": 2,
    "central european daylight time": 2, "central european summer time": 2, "romance daylight time": 2,
    "mitteleuropaische sommerzeit": 2, "e. europe standard time": 2, "fle standard time": 2,
    "south africa standard time": 2,
    "eest msk eat trt": 3, "fle daylight time": 3, "russian standard time": 3, "russia tz 2 standard time": 3, "msd": 4,
    "pkt": 5, "ict wib": 7, "hkt sgt awst pht wita": 8, "china standard time": 8, "singapore standard time": 8,
    "taipei standard time": 8, "jst kst wit": 9, "tokyo standard time": 9, "korea standard time": 9, "aest": 10,
    "aus eastern standard time": 10, "aedt": 11, "aus eastern daylight time": 11, "nzst": 12,
    "new zealand standard time": 12, "nzdt": 13, "new zealand daylight time": 13,
    "adt brt art clst": -3, "e. south america standard time": -3, "argentina standard time": -3,
    "edt": -4, "eastern daylight time": -4, "est cdt": -5, "eastern standard time": -5, "central daylight time": -5,
    "cst mdt": -6, "central standard time": -6, "mountain daylight time": -6, "mst pdt": -7,
    "mountain standard time": -7, "us mountain standard time": -7, "pacific daylight time": -7,
    "pst akdt": -8, "pacific standard time": -8, "alaskan daylight time": -8, "akst": -9, "alaskan standard time": -9,
    "hst hast": -10, "hawaiian standard time": -10,
}  # fmt: skip
# Minutes east of Greenwich by name.
_ZONES: Final = {
    name: hours * 60
    for names, hours in _HOURS.items()
    for name in ([names] if "time" in names or "zeit" in names else names.split())
} | {
    "india standard time": 330, "acst": 570, "acdt": 630, "nst": -210, "ndt": -150, "nepal standard time": 345,
    "newfoundland standard time": -210, "iran standard time": 210,
}  # fmt: skip


def parse_date(raw: bytes) -> datetime | None:
    """Parse a ``Date`` value to an aware UTC time.

    A value without a zone is UTC, as ``-0000`` is (RFC 5322 §3.3); the weekday is not compared. None
    if the value is not understood, names no real day, or is before 1970.
    """
    try:
        moment = _standard(raw) or _lenient(raw[:_MAX_BYTES])
    except (ValueError, OverflowError):  # no such day or time; a moment outside of datetime's range
        return None
    return moment if moment and moment.year >= _EARLIEST_YEAR else None


def _standard(raw: bytes) -> datetime | None:
    found = _STANDARD.fullmatch(raw)
    month = _MONTH_NUMBERS.get(found[2].decode("ascii").lower()) if found else None
    if not found or not month:
        return None
    hours, minutes, second = int(found[8]), int(found[9]), int(found[6] or 0)
    if hours > _MAX_HOURS or minutes > 59 or second > 59 or found[4] == b"24":
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    moment = datetime(int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), second, tzinfo=UTC)
    return moment + offset if found[7] == b"-" else moment - offset


def _lenient(raw: bytes) -> datetime | None:
    text, comments = _without_comments(_fold(decode_bytes(raw, None)[0]))
    for form in _FORMS:
        if found := form.fullmatch(text):
            return _read(found, found["day"], found["month"], comments)
    found = _SLASHED.fullmatch(text)
    if found is None:
        return None
    # Of 23/11 and 11/23 only one order is a date; of 5/6 both are.
    first, second = int(found[1]), int(found[2])
    if (first > 12) == (second > 12) and first != second:
        return None
    return _read(found, *((found[1], found[2]) if first > 12 else (found[2], found[1])), comments)


def _without_comments(text: str) -> tuple[str, list[str]]:
    """*text* without comments and outer quotes, with single blanks; and the comments."""
    comments: list[str] = []
    for _ in range(4):  # nested comments (RFC 5322 §3.2.2)
        found = _COMMENT.findall(text)
        if not found:
            break
        comments += found
        text = _COMMENT.sub(" ", text)
    text = text.partition("(")[0]  # a comment that is never closed
    return " ".join(text.split()).strip(" \"'<>,;"), comments


def _read(found: re.Match[str], day: str, month: str, comments: list[str]) -> datetime | None:
    number = int(month.rstrip("月월")) if month[0].isdecimal() else _MONTH_NUMBERS.get(month.rstrip("."))
    hour = _hour(int(found["hour"]), found["half"])
    zone = _zone(found, comments)
    if number is None or hour is None or zone is None:
        return None
    time = (hour, int(found["minute"]), int(found["second"] or 0))
    return _moment((_year(found["year"]), number, int(day)), time, zone)


def _moment(day: tuple[int, int, int], time: tuple[int, int, int], zone: timedelta | None) -> datetime | None:
    """The moment in UTC. The hour 24 and the second 60 begin the next day and minute."""
    hour, minute, second = time
    if zone is None or second > 60 or (hour, minute, second) > (24, 0, 0):
        return None
    start = datetime(*day, hour % 24, minute, min(second, 59), tzinfo=timezone(zone))
    return (start + timedelta(days=hour // 24, seconds=second // 60)).astimezone(UTC)


def _year(written: str) -> int:
    """RFC 5322 §4.3: two digits are 1950 to 2049, three digits count from 1900."""
    year = int(written)
    if len(written) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(written) == 3 else year


def _hour(hour: int, half: str | None) -> int | None:
    """The hour of 24. ``13:00 PM`` is 13; ``13:00 AM`` and ``0:30 PM`` are no times."""
    if not half:
        return hour
    if half == "a":
        return hour % 12 if hour <= 12 else None
    return None if hour == 0 else hour if hour > 12 else hour % 12 + 12


def _zone(found: re.Match[str], comments: list[str]) -> timedelta | None:
    """The offset that a value names, in a comment if nowhere else; None if it is not understood."""
    before = (found.groupdict().get("before") or "").strip()
    written = (found["zone"] or "").strip()
    if before and written:
        return None
    if written or before:
        return _named_offset(written or before)
    return _named_offset(comments[-1].strip()) if comments else timedelta()


def _named_offset(name: str) -> timedelta | None:
    name = name.strip("\"' ,;").rstrip(".")
    if name in _ZONES:
        return timedelta(minutes=_ZONES[name])
    found = _OFFSET.fullmatch(name)
    if found is None or any(found[word] not in (None, *_ZONES) for word in ("name", "behind")):
        return None
    offset = _offset(int(found["hours"]), int(found["minutes"] or 0), west=found["sign"] != "+")
    minutes = _ZONES.get(found["name"] or "", 0)
    return None if minutes and offset != timedelta(minutes=minutes) else offset


def _offset(hours: int, minutes: int, *, west: bool) -> timedelta | None:
    if hours > _MAX_HOURS or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if west else offset


def _fold(text: str) -> str:
    """*text* in lower case without accents, as the names here are written."""
    if text.isascii():
        return text.lower()
    letters = (unicodedata.normalize("NFD", sign)[0] if sign < "\u0400" else sign for sign in text.lower())
    return "".join(letters).replace("\u0131", "i")
