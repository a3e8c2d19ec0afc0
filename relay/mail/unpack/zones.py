"""The offset of a local time from UTC, by a VTIMEZONE (RFC 5545 §3.6.5) or an IANA name."""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MAX_RULES: Final = 20  # of a zone
_OFFSET: Final = re.compile(r"([+-])(\d\d)(\d\d)(?:\d\d)?")
_ONSET: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)")
_NTH: Final = re.compile(r"([+-]?\d{1,2})(MO|TU|WE|TH|FR|SA|SU)")
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Names of the IANA database that have a region; others may be any file of the host.
_IANA: Final = re.compile(r"(?:[A-Z][a-z]+/)+[A-Z][A-Za-z_+-]+\d{0,2}|UTC")


@dataclass(slots=True)
class _Rule:
    """One STANDARD or DAYLIGHT: its offset, and when it begins each year."""

    offset: timedelta | None = None
    first: datetime | None = None
    rule: dict[str, str] = field(default_factory=dict)

    def latest(self, local: datetime) -> datetime | None:
        """Its last beginning before *local*."""
        if self.first is None or self.first > local:
            return None
        nth = _NTH.fullmatch(self.rule.get("BYDAY", ""))
        month = self.rule.get("BYMONTH", "")
        if self.rule.get("FREQ") != "YEARLY" or not nth or not month.isdigit() or not 1 <= int(month) <= 12:
            return self.first
        for year in (local.year, local.year - 1):
            onset = _nth_day(year, int(month), int(nth[1]), _DAYS.index(nth[2]), self.first)
            if onset is not None and self.first <= onset <= local:
                return onset
        return self.first


class Zone:
    """The rules of one VTIMEZONE, filled line by line."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def open(self) -> None:
        """A STANDARD or DAYLIGHT begins."""
        if len(self._rules) < _MAX_RULES:
            self._rules.append(_Rule())

    def take(self, name: str, value: str) -> None:
        """A line of the rule that began last."""
        if not self._rules:
            return
        rule = self._rules[-1]
        if name == "TZOFFSETTO" and (match := _OFFSET.fullmatch(value)):
            length = timedelta(hours=int(match[2]), minutes=int(match[3]))
            rule.offset = -length if match[1] == "-" else length
        elif name == "DTSTART" and (match := _ONSET.match(value)):
            rule.first = _local(*(int(each) for each in match.groups()))
        elif name == "RRULE":
            pairs = (each.partition("=") for each in value.upper().split(";")[:20])
            rule.rule = {key: text for key, _, text in pairs}

    def offset(self, local: datetime) -> timedelta | None:
        """The offset at *local*; that of the first rule before all beginnings."""
        known = [rule for rule in self._rules if rule.offset is not None]
        begun = [(onset, rule) for rule in known if (onset := rule.latest(local)) is not None]
        if begun:
            return max(begun, key=lambda each: each[0])[1].offset
        return known[0].offset if known else None


def read_offset(zone: Zone | None, name: str, local: datetime) -> tzinfo | None:
    """The zone of the time *local* as a fixed offset; None if it is not known."""
    offset = zone.offset(local) if zone else None
    if offset is None and _IANA.fullmatch(name[:60]):
        try:
            offset = ZoneInfo(name).utcoffset(local)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None
    return timezone(offset) if offset is not None and abs(offset) < timedelta(hours=24) else None


def _nth_day(year: int, month: int, nth: int, weekday: int, first: datetime) -> datetime | None:
    """The *nth* weekday of a month, counted from its end if negative, at the time of day of *first*."""
    start = _local(year, month, 1, first.hour, first.minute)
    after = _local(year + month // 12, month % 12 + 1, 1, first.hour, first.minute)
    if start is None or after is None or nth == 0:
        return None
    if nth > 0:
        return start + timedelta(days=(weekday - start.weekday()) % 7 + 7 * (nth - 1))
    last = after - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-nth - 1))


def _local(year: int, month: int, day: int, hour: int, minute: int) -> datetime | None:
    try:
        return datetime.combine(date(year, month, day), time(hour, minute))
    except ValueError:
        return None
