"""What is inside parts: signatures, TNEF, invitations, mails in mails, and the list of all files."""

from hashlib import sha256

import pytest

from relay.mail.parse import attachment, attachments, parse
from relay.mail.unpack.calendar import read_calendar
from relay.mail.unpack.enriched import enriched_text
from relay.mail.unpack.smime import opaque_content
from relay.mail.unpack.tnef import read_tnef
from tests.mail.letters import mail
from tests.mail.test_cases import CASES

INNER = b"Content-Type: text/plain\r\n\r\nInner words.\r\n"
DATA = bytes.fromhex("06092a864886f70d010701")
SIGNED = bytes.fromhex("06092a864886f70d010702")


def signed_content(data):
    found = opaque_content(data)
    return found.content if found else None


PDF = b"Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n"


def multipart(*parts: bytes, boundary: bytes = b"x") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + b"--" + boundary + b"--\r\n"
    return b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n" + body


def der(tag: int, *content: bytes) -> bytes:
    joined = b"".join(content)
    return bytes([tag, 0x82]) + len(joined).to_bytes(2) + joined


def ber(tag: int, *content: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


def nested(depth: int) -> bytes:
    mail_ = b"Subject: s%d\r\n" % depth + multipart(b"\r\nwords %d\r\n" % depth, PDF, boundary=b"b%d" % depth)
    for level in range(depth - 1, -1, -1):
        inner = b"Content-Type: message/rfc822\r\n\r\n" + mail_ + b"\r\n"
        mail_ = b"Subject: s%d\r\n" % level + multipart(b"\r\nwords %d\r\n" % level, inner, boundary=b"b%d" % level)
    return mail_


@pytest.mark.parametrize("make", [der, ber])
def test_a_signature_gives_its_content_in_der_and_in_ber(make):
    content = make(0x30, DATA, make(0xA0, make(0x24, der(4, INNER[:10]), der(4, INNER[10:]))))
    data = make(0x30, SIGNED, make(0xA0, make(0x30, b"\2\1\1", make(0x31), content)))

    assert signed_content(data) == INNER


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_damaged_signature_gives_what_is_left_of_its_content(cut):
    data = ber(0x30, SIGNED, ber(0xA0, ber(0x30, b"\2\1\1", ber(0x31), ber(0x30, DATA, ber(0xA0, der(4, INNER))))))

    assert INNER.startswith(signed_content(data[:cut]) or b"")


@pytest.mark.parametrize("cut", [0, 5, 6, 20, 40, 70])
def test_a_cut_tnef_stream_is_read_to_the_cut(cut):
    part = next(each for each in attachments((CASES / "272-tnef-winmail.eml").read_bytes()) if not each.unpacked)
    whole, damaged = read_tnef(part.content), read_tnef(part.content[:cut])

    assert whole is not None
    assert [(each.name, each.content, whole.whole) for each in whole.files] == [("a.txt", b"hello", True)]
    assert damaged is None or len(damaged.files) <= 1


@pytest.mark.parametrize("path", sorted(CASES.glob("*.eml")), ids=lambda path: path.stem)
def test_listing_and_download_agree(path):
    raw = path.read_bytes()
    listed = [(each.filename, each.content_type, each.size, each.sha256) for each in parse(raw).attachments]

    had = [(each.filename, each.content_type, len(each.content), each.content) for each in attachments(raw)]
    assert listed == [(name, kind, size, sha256(content).hexdigest()) for name, kind, size, content in had]
    assert [attachment(raw, index).content for index in range(len(listed))] == [each[3] for each in had]


def test_mails_in_mails_are_shown_to_depth_three():
    read = parse(nested(4))
    inner, depth = read.attachments[0].message, 0
    while inner is not None:
        depth += 1
        assert (inner.subject, inner.text) == (f"s{depth}", f"words {depth}")
        inner = inner.attachments[0].message

    assert depth == 3
    assert [each.filename for each in read.attachments] == ["s1.eml", "s2.eml", "s3.eml", "s4.eml"]


def test_a_file_of_a_mail_in_the_mail_has_one_index():
    read = parse(nested(2))
    inner = read.attachments[0].message.attachments[0].message

    assert [(each.filename, each.index) for each in inner.attachments] == [("a.pdf", 2)]
    assert read.attachments[2].filename == "a.pdf"


def test_a_boundary_that_is_used_twice_loses_no_part():
    inner = b"Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    raw = multipart(inner, b"Content-Type: text/plain\r\n\r\nwords\r\n", b"Content-Type: text/html\r\n\r\n<p>words\r\n")
    read = parse(raw + b"--x\r\n" + PDF + b"--x--\r\n")

    assert (read.text.strip(), [each.filename for each in read.attachments]) == ("words", ["a.pdf"])
    assert "a multipart uses the boundary of the one around it" in read.defects


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        ("DTSTART:20261201T090000Z\nDTEND:20261201T100000Z", "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z"),
        ("DTSTART;VALUE=DATE:20261201", "2026-12-01", "2026-12-02"),
        ("DTSTART:20261201T090000\nDURATION:PT90M", "2026-12-01T09:00:00", "2026-12-01T10:30:00"),
        ("DTSTART;TZID=America/New_York:20260701T090000", "2026-07-01T09:00:00-04:00", None),
        ("DTSTART;TZID=../../etc/passwd:20260701T090000", "2026-07-01T09:00:00", None),
        ("DTSTART;TZID=Local:20260701T090000", "2026-07-01T09:00:00+02:00", None),
        ("DTSTART;TZID=Local:20261201T090000", "2026-12-01T09:00:00+01:00", None),
        ("DTSTART:20261341T090000Z", None, None),
        ("DTSTART:99991231T235959\nDURATION:P9W", "9999-12-31T23:59:59", None),
        ("DTSTART;VALUE=DATE:99991231", "9999-12-31", None),
    ],
)
def test_the_times_of_an_invitation(lines, start, end):
    rule = "DTSTART:19700101T020000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH="
    zone = (
        f"BEGIN:VTIMEZONE\nTZID:Local\nBEGIN:STANDARD\nTZOFFSETTO:+0100\n{rule}10\nEND:STANDARD\n"
        f"BEGIN:DAYLIGHT\nTZOFFSETTO:+0200\n{rule}3\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
    )
    found = read_calendar(f"BEGIN:VCALENDAR\n{zone}BEGIN:VEVENT\n{lines}\nEND:VEVENT\nEND:VCALENDAR")

    assert (found.start, found.end) == (start, end)


def test_an_invitation_alone_gives_words_and_its_event():
    event = (
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Team\r\n  call\\, weekly\r\nLOCATION:Berlin\r\nSEQUENCE:2\r\n"
        b'ORGANIZER;CN="Lima, Ana":mailto:ana@example.com\r\nATTENDEE:MAILTO:bot@agents.example\r\n'
        b"BEGIN:VALARM\r\nSUMMARY:none\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    read = parse(mail(b"Content-Type: text/calendar; method=request", body=event))

    assert read.text == "Team call, weekly\nBerlin"
    assert (read.calendar.method, read.calendar.sequence) == ("REQUEST", 2)
    assert (read.calendar.organizer.name, read.calendar.attendees[0].address) == ("Lima, Ana", "bot@agents.example")
    assert [each.filename for each in read.attachments] == ["invite.ics"]


def test_rich_text_loses_its_marks():
    assert enriched_text("<bold>A</bold> <<b\nc<param>x</param>\n\nd") == "A <b c\nd"
