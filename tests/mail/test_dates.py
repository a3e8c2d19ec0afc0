"""Dates as mail programs write them: each is read to the minute, or is None."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.dates import parse_date

TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)

AT_TEN = """
    Mon, 23 Nov 2026 10:00:00 +0000
    Mon, 23 Nov 2026 11:00:00 +0100
    23 Nov 2026 10:00:00 GMT (a comment)
    23 Nov 2026 10:00:00 -0000
    23 Nov 2026 10:00 UT
    Mon, 23 Nov 26 05:00 EST
    Mon, 23 Nov 126 10:00:00 +0000
    Tue, 23 Nov 2026 10:00:00 +0000
    Mon, 23 Nov 2026 11:00:00 CET
    Mon, 23 Nov 2026 12:00:00 CEST
    Mon, 23 Nov 2026 11:00:00 MEZ
    Mon, 23 Nov 2026 19:00:00 JST
    Mon, 23 Nov 2026 19:00:00 +0900 (JST)
    Mon, 23 Nov 2026 13:00:00 MSK
    Mon, 23 Nov 2026 11:00:00 GMT+0100
    Mon, 23 Nov 2026 11:00:00 GMT+01:00
    Mon, 23 Nov 2026 11:00:00 GMT +0100
    Mon, 23 Nov 2026 05:00:00 UTC-5
    Mon, 23 Nov 2026 11:00:00 +01:00
    Mon, 23 Nov 2026 11:00:00 +1
    Mon, 23 Nov 2026 15:30:00 +0530
    Mon, 23 Nov 2026 05:30:00 -04:30
    Mon, 23 Nov 2026 06:00:00 (EDT) -0400
    Mon, 23 Nov 2026 06:00:00 EDT -0400
    Mon, 23 Nov 2026 06:00:00 -0400 EDT
    Mon, 23 Nov 2026 06:00:00 -0400 (EDT (summer))
    Mon, 23 Nov 2026 06:00:00 (EDT)
    Mon, 23 Nov 2026 11:00:00 +0100 (Mitteleuropäische Zeit)
    Mon, 23 Nov 2026 11:00:00 +0100 (W. Europe Standard Time
    Mon, 23 Nov 2026 12:27:13 +0227 (GMT+02:00)
    Mon, 23 Nov 2026 02:00:00 Pacific Standard Time
    Mon, 23 Nov 2026 03:00:00 Pacific Daylight Time
    Fri, 23 Nov 2026 10:00:00 Z
    Mon, 23 Nov 2026 09:59:60 +0000
    Mon, 23 Nov 2026 10:0:0 +0000
    Mon, 23 Nov 2026 10.00.00 +0000
    Mon, 23 Nov 2026 10:00:00.000 +0000
    Mon,23 Nov 2026 10:00:00 +0000
    Mon 23 Nov 2026 10:00:00 +0000
    Mon, 23-Nov-2026 10:00:00 +0000
    Mon, 23/Nov/2026 10:00:00 +0000
    Monday, 23 November 2026 10:00:00 +0000
    Monday, November 23, 2026 10:00:00 AM UTC
    Mon, Nov 23, 2026 at 10:00 AM
    Nov 23 2026 10:00:00 GMT
    Mon, 23 Nov 2026 10:00:00 AM +0000
    Mon, 23 Nov 2026 11:00:00 PM +1300
    Mon, 23 Nov 2026 12:00 a.m. +1400 | -1
    "Mon, 23 Nov 2026 10:00:00 +0000"
    Mon Nov 23 10:00:00 2026
    Mon Nov 23 10:00:00 UTC 2026
    Mon Nov 23 05:00:00 EST 2026
    Mon Nov 23 11:00:00 2026 +0100
    Mon Nov 23 2026 11:00:00 GMT+0100 (Central European Standard Time)
    2026-11-23T10:00:00Z
    2026-11-23T11:00:00.123+01:00
    2026-11-23 11:00:00 +0100
    2026-11-23 10:00
    2026/11/23 19:00:00 +0900
    20261123T100000Z
    23.11.2026 11:00:00 +0100
    23/11/2026 10:00 +0000
    11/23/2026 10:00:00 AM
    2026年11月23日 18:00:00 +0800
    Mo, 23 Nov 2026 11:00:00 +0100
    Mo., 23. November 2026 um 10:00 UTC
    So, 23 Okt 2026 10:00:00 +0000 | -31
    lun., 23 févr. 2026 10:00:00 +0000 | -273
    Sáb, 23 ago 2026 10:00:00 +0000 | -92
    seg, 23 de dezembro de 2026 10:00:00 +0000 | 30
    星期一, 23 11月 2026 10:00:00 +0000
    Пн, 23 мая 2026 10:00:00 +0000 | -184
    Sal, 23 Şub 2026 10:00:00 +0000 | -273
    jue ago 23 10:00:00 2026 | -92
    Do., 23 Mrz. 2026 11:00:00 +0100 | -245
    So., 23 Jan. 2026 10:00:00 +0000 | -304
    Mon, 23 Nov 2026 10:00:00 -0000 (GMT)
    Mon Nov 23 10:00:00 +0000 2026
    23 Nov 2026 10:00:00 UT
    Mon, 23 Nov 2026 24:00:00 +1400
"""

UNREAD = """
    yesterday
    23 Nov 2026
    31 Feb 2026 10:00:00 +0000
    23 Nov 2026 15:17:00 +9999
    23 Nov 2026 25:00:00 +0000
    23 Nov 2026 10:60:00 +0000
    23 Nov 2026 10:00:61 +0000
    23 Nov 2026 13:00:00 AM +0000
    23 Nov 2026 10:00:00 XYZ
    23 Nov 2026 10:00:00 IST
    23 Nov 2026 10:00:00 A
    23 Nov 2026 10:00:00 +0100; see above
    23 Nov 2026 10:00:00 EST +0100
    not before 23 Nov 2026 10:00:00 +0000
    23 lis 2026 10:00:00 +0000
    05/06/2026 10:00:00 +0000
    Mon, 23 Nov 2026 10:00:00 (local time)
    31 Dec 9999 23:59:59 -1200
    1 Jan 99999 00:00:00 +0000
    1 Jan 1950 00:00:00 +0000
    1 Jan 0000 00:00:00 +0000
    café
"""


def test_each_form_of_a_date_is_read_to_the_minute():
    for line in AT_TEN.strip().splitlines():
        written, _, days = line.strip().partition(" | ")
        found = parse_date(written.encode("utf-8"))
        assert found is not None, written
        assert abs((found - TEN).total_seconds() - int(days or 0) * 86400) < 60, (written, found)
    assert parse_date("Mon, 23 Nov 2026 11:00:00 +0100 (Mitteleuropäische Zeit)".encode("latin-1")) == TEN


def test_what_is_not_understood_is_no_date():
    assert dict.fromkeys(UNREAD.strip().splitlines()) == {
        line: parse_date(line.strip().encode("utf-8")) for line in UNREAD.strip().splitlines()
    }
    assert [None] * 3 == [parse_date(raw) for raw in (b"", b"9" * 5000, b"(" * 5000)]


@given(st.binary(max_size=200))
def test_no_date_fails(raw):
    moment = parse_date(raw)

    assert moment is None or moment.tzinfo is UTC


@given(
    st.integers(min_value=86400, max_value=253402000000),
    st.integers(min_value=-12 * 60, max_value=14 * 60),
)
def test_a_date_in_any_zone_comes_back(seconds, offset):
    moment = datetime.fromtimestamp(seconds, UTC)
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}{abs(offset) % 60:02}"
    written = f"{moment.day} {'JanFebMarAprMayJunJulAugSepOctNovDec'[moment.month * 3 - 3 : moment.month * 3]} {moment.year} {moment:%H:%M:%S} {zone}"

    found = parse_date(written.encode("ascii"))

    assert found is not None
    assert (found - moment).total_seconds() == -offset * 60
