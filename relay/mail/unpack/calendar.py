"""Read the event of an iCalendar object: an invitation, an answer, a cancellation (RFC 5545, RFC 5546).

Only the first VEVENT is read, and the time zones around it. Bounded: 256 KiB, 200 attendees, 50
zones; each line is looked at once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from relay.mail.decode import clean_line
from relay.mail.fields.mailbox import Mailbox
from relay.mail.parsed_mail import Calendar
from relay.mail.unpack.zones import Zone, read_offset

CALENDAR_TYPES: Final = frozenset({"text/calendar", "application/ics", "text/x-vcalendar"})
MAX_BYTES: Final = 256 * 1024
_MAX_ATTENDEES: Final = 200
_MAX_ZONES: Final = 50
_MAX_VALUE: Final = 2000  # characters
_FOLD: Final = re.compile(r"\n[ \t]")
_LINE: Final = re.compile(
    r'([A-Za-z0-9-]{1,60}+)((?:;[^:;"]{0,200}+(?:"[^"]{0,500}"[^:;"]{0,200}+)*+)*+):(.*)', re.DOTALL
)
_PARAMETER: Final = re.compile(r';([A-Za-z0-9-]{1,60})=(?:"([^"]*)"|([^;:"]*))')
_ESCAPE: Final = re.compile(r"\\([\\;,nN])")
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?"
)


@dataclass(slots=True)
class _Line:
    """A content line (RFC 5545 §3.1)."""

    name: str  # upper-case
    parameters: dict[str, str]  # names in upper case
    value: str


@dataclass(slots=True)
class _Found:
    """What is collected of an object."""

    method: str | None = None
    event: dict[str, _Line] = field(default_factory=dict)  # the first line of each name
    attendees: list[_Line] = field(default_factory=list)
    zones: dict[str, Zone] = field(default_factory=dict)
    seen: bool = False  # a VEVENT


def read_calendar(text: str, *, method: str | None = None) -> Calendar | None:
    """The first event of the iCalendar object *text*; None without one.

    *method* is that of the Content-Type, which counts where the object has none (RFC 6047 §2.4).
    """
    found = _collect(_lines(text))
    if not found.seen:
        return None
    event = found.event
    start, end = _times(event, found.zones)
    organizer = event.get("ORGANIZER")
    return Calendar(
        method=_word(found.method or method or "") or None,
        uid=_text(event, "UID") or None,
        sequence=_number(_text(event, "SEQUENCE")),
        summary=_text(event, "SUMMARY"),
        start=start,
        end=end,
        location=_text(event, "LOCATION"),
        organizer=_person(organizer) if organizer else None,
        attendees=tuple(_person(line) for line in found.attendees),
    )


def event_text(calendar: Calendar, text: str) -> str:
    """The event as words for a reader, with the description in the object *text*."""
    when = " - ".join(each for each in (calendar.start, calendar.end) if each)
    description = _collect(_lines(text)).event.get("DESCRIPTION")
    lines = [calendar.summary, when, calendar.location]
    words = "\n".join(each for each in lines if each)
    return f"{words}\n\n{_unescape(description.value)}".strip() if description else words


def _lines(text: str) -> Iterator[_Line]:
    unfolded = _FOLD.sub("", text[:MAX_BYTES].replace("\r\n", "\n"))
    for line in unfolded.split("\n"):
        if match := _LINE.match(line):
            parameters = {each[1].upper(): each[2] or each[3] or "" for each in _PARAMETER.finditer(match[2])}
            yield _Line(match[1].upper(), parameters, match[3].strip())


def _collect(lines: Iterator[_Line]) -> _Found:
    found = _Found()
    inside: list[str] = []
    for line in lines:
        if line.name == "BEGIN":
            inside.append(line.value.upper()[:40])
            if len(inside) > 10:
                break
            _open(found, inside)
        elif line.name == "END":
            if inside[-1:] == ["VEVENT"]:
                found.seen = True
            inside = inside[:-1]
        else:
            _take(found, inside, line)
    found.seen = found.seen or bool(found.event)
    return found


def _open(found: _Found, inside: Sequence[str]) -> None:
    if inside[-1] == "VTIMEZONE" and len(found.zones) < _MAX_ZONES:
        found.zones[""] = Zone()  # until its TZID is read
    elif inside[-1] in ("STANDARD", "DAYLIGHT") and "VTIMEZONE" in inside and "" in found.zones:
        found.zones[""].open()


def _take(found: _Found, inside: Sequence[str], line: _Line) -> None:
    place = inside[-1] if inside else ""
    if place == "VEVENT" and not found.seen:
        if line.name == "ATTENDEE":
            if len(found.attendees) < _MAX_ATTENDEES:
                found.attendees.append(line)
        else:
            found.event.setdefault(line.name, line)
    elif place == "VCALENDAR" and line.name == "METHOD":
        found.method = found.method or line.value
    elif place == "VTIMEZONE" and line.name == "TZID":
        found.zones[line.value] = found.zones.get("", Zone())
    elif place in ("STANDARD", "DAYLIGHT") and "" in found.zones:
        found.zones[""].take(line.name, line.value)


def _times(event: dict[str, _Line], zones: dict[str, Zone]) -> tuple[str | None, str | None]:
    start, end = event.get("DTSTART"), event.get("DTEND")
    begun = _moment(start, zones) if start else None
    if end:
        return _written(begun), _written(_moment(end, zones))
    length = _duration(_text(event, "DURATION"))
    try:
        ended = begun + length if begun is not None and length is not None else None
    except OverflowError:
        ended = None
    if ended is None and begun is not None and not isinstance(begun, datetime) and begun < date.max:
        ended = begun + timedelta(days=1)  # a whole day (RFC 5545 §3.6.1)
    return _written(begun), _written(ended)


def _moment(line: _Line, zones: dict[str, Zone]) -> datetime | date | None:
    """The time of *line*: a date, an aware time, or a floating one."""
    match = _TIME.match(line.value)
    if not match:
        return None
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
        if match[4] is None:
            return day
        local = datetime.combine(day, time(int(match[4]), int(match[5]), min(int(match[6]), 59)))
    except ValueError:
        return None
    if match[7]:
        return local.replace(tzinfo=UTC)
    name = line.parameters.get("TZID", "")
    return local.replace(tzinfo=read_offset(zones.get(name) if name else None, name, local))


def _written(moment: datetime | date | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None


def _duration(value: str) -> timedelta | None:
    match = _DURATION.fullmatch(value)
    if not match or not any(match.groups()[1:]):
        return None
    weeks, days, hours, minutes, seconds = (int(each or 0) for each in match.groups()[1:])
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if match[1] == "-" else length


def _person(line: _Line) -> Mailbox:
    address = line.value[:_MAX_VALUE]
    if address[:7].lower() == "mailto:":
        address = address[7:]
    return Mailbox(name=clean_line(line.parameters.get("CN", "")[:200]).strip(), address=clean_line(address).strip())


def _text(event: dict[str, _Line], name: str) -> str:
    line = event.get(name)
    return clean_line(_unescape(line.value[:_MAX_VALUE])).strip() if line else ""


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _word(value: str) -> str:
    word = clean_line(value[:40]).strip().upper()
    return word if word.replace("-", "").isalnum() else ""


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
