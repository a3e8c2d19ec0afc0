"""What a stranger can send to make a reader slow: each must cost less than a second of CPU."""

import pytest

from relay.mail.headers import split_headers
from relay.mail.parse import attachment, parse
from relay.mail.reply.forward import is_forward
from relay.mail.reply.preview import preview
from relay.mail.reply_text import reply_text
from relay.mail.signin.codes import find_codes
from relay.mail.summary import summarise
from tests.cost import SECOND, cost
from tests.mail.letters import mail

MIXED = b"Content-Type: multipart/mixed; boundary=x"
BAD = b"--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n"


def nested(depth: int, kind: bytes = b"mixed") -> bytes:
    levels = (b"Content-Type: multipart/%s; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, n, n) for n in range(depth))
    return b"".join(levels) + b"\r\nhi"


RFC822 = b"--x\r\nContent-Type: message/rfc822\r\n\r\n"
P7M = b"--x\r\nContent-Type: application/pkcs7-mime\r\n\r\n"
SIGNED = bytes.fromhex("308006092a864886f70d010702a08030800201013100308006092a864886f70d010701a0802480")
TNEF = b"--x\r\nContent-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\1\0"
ATTENDEES = b"BEGIN:VEVENT\r\n" + b"ATTENDEE;CN=a:mailto:a@b\r\n" * 200_000


def property_list() -> bytes:
    """An attribute of TNEF with 10 000 properties."""
    value = (10_000).to_bytes(4, "little") + b"\3\0\1\0\0\0\0\0" * 10_000
    return b"\1\3\x90\6\0" + len(value).to_bytes(4, "little") + value + b"\0\0"


HOSTILE = {
    "10 000 mails in a mail": lambda: mail(MIXED, body=(RFC822 + b"Subject: a\r\n\r\nb\r\n") * 10_000),
    "pages in mails": lambda: mail(
        MIXED, body=(RFC822 + b"Content-Type: text/html\r\n\r\n" + b"<p>a</p>" * 6000 + b"\r\n") * 100
    ),
    "pieces of signatures": lambda: mail(MIXED, body=(P7M + SIGNED + b"\4\1a" * 30_000 + b"\r\n") * 100),
    "lengths of signatures": lambda: mail(MIXED, body=P7M + SIGNED + b"\x24\x80" * 1_000_000),
    "properties of TNEF": lambda: mail(MIXED, body=(TNEF + property_list() + b"\r\n") * 100),
    "attendees": lambda: mail(b"Content-Type: text/calendar", body=ATTENDEES),
    "unfinished parameters": lambda: mail(
        b"Content-Type: text/calendar", body=b"BEGIN:VEVENT\r\nATTENDEE" + b';A="b' * 80_000
    ),
    "boundaries used twice": lambda: mail(
        MIXED, body=b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 50_000
    ),
    "closing delimiters": lambda: mail(MIXED, body=b"--x--\r\n" * 1_000_000),
    "marks of rich text": lambda: mail(b"Content-Type: text/enriched", body=b"<param>" * 150_000),
    "quotes in From": lambda: mail(b"From: " + b'"' * 50_000),
    "escaped quotes in From": lambda: mail(b'From: "' + b'\\"' * 50_000 + b"\\"),
    "parentheses in From": lambda: mail(b"From: " + b"(" * 100_000),
    "spaces in From": lambda: mail(b"From: x" + b" " * 100_000 + b"x"),
    "50 000 recipients": lambda: mail(b"To: " + b"a@b.example, " * 50_000),
    "commas in To": lambda: mail(b"To: " + b"," * 100_000),
    "10 000 encoded words": lambda: mail(b"Subject: " + b"=?utf-8?q?=C3=A9?= " * 10_000),
    "unfinished encoded words": lambda: mail(b"Subject: " + b"=?utf-8?q?" * 100_000),
    "opened ids": lambda: mail(b"Message-ID: " + b"<" * 50_000),
    "50 000 references": lambda: mail(b"References: " + b"<a@b>" * 50_000),
    "20 000 parameters": lambda: mail(b"Content-Type: text/plain" + b"; a=b" * 20_000),
    "semicolons": lambda: mail(b"Content-Type: text/plain" + b"; " * 100_000),
    "100 000 headers": lambda: mail(*[b"X-A: b"] * 100_000),
    "100 000 lines that are no headers": lambda: mail(*[b"junk"] * 100_000),
    "a megabyte of folds": lambda: mail(b"Subject: " + b"\r\n a" * 250_000),
    "100 000 empty parts": lambda: mail(MIXED, body=b"--x\r\n\r\n\r\n" * 100_000),
    "100 000 parts": lambda: mail(MIXED, body=b"--x\r\nA: b\r\n\r\n\r\n" * 100_000),
    "longer boundaries": lambda: mail(MIXED, body=b"--x\r\n\r\n" + b"\r\n--xy" * 1_000_000),
    "20 000 attachments": lambda: mail(MIXED, body=b"--x\r\nContent-Type: a/b; name=x\r\n\r\nz\r\n" * 20_000),
    "headers of parts": lambda: mail(MIXED, body=(b"--x\r\n" + b"a:\r\n" * 20_000) * 100),
    "depth 1 000": lambda: nested(1000),
    "alternatives 250 deep": lambda: nested(250, b"alternative"),
    "levels around five megabytes": lambda: nested(25) + b"\r\n--b" * 1_000_000,
    "mails within mails": lambda: b"Content-Type: message/rfc822\r\n\r\n" * 200 + b"x" * 5_000_000,
    "25 MB of empty lines": lambda: mail(b"From: a@b.example", body=b"\r\n" * 12_500_000),
    "25 MB of empty lines and bad base64": lambda: mail(MIXED, body=BAD + b"--x\r\n\r\n" + b"\r\n" * 12_500_000),
    "signs less-than": lambda: mail(b"Content-Type: text/html", body=b"<" * 1_000_000),
    "opened comments": lambda: mail(b"Content-Type: text/html", body=b"<!--" * 250_000),
    "opened scripts": lambda: mail(b"Content-Type: text/html", body=b"<script" * 100_000),
    "empty paragraphs": lambda: mail(b"Content-Type: text/html", body=b"<p>" * 100_000),
    "references to characters": lambda: mail(b"Content-Type: text/html", body=b"&" * 100_000 + b"&#" + b"9" * 100_000),
    "punycode": lambda: mail(b"Content-Type: text/plain; charset=punycode", body=b"a-" * 500_000),
    "utf-7": lambda: mail(b"Content-Type: text/plain; charset=utf-7", body=b"+2AD-" * 500_000),
    "iso-2022-kr": lambda: mail(b"Content-Type: text/plain; charset=iso-2022-kr", body=b"\x1b$)C\x0e!!" * 150_000),
    "soft line breaks": lambda: mail(b"Content-Transfer-Encoding: quoted-printable", body=b"=\r\n" * 5_000_000),
    "padding": lambda: mail(b"Content-Transfer-Encoding: base64", body=b"=" * 5_000_000),
    "padded blocks": lambda: mail(b"Content-Transfer-Encoding: base64", body=b"QQ==" * 500_000),
    "odd lines in base64": lambda: mail(b"Content-Transfer-Encoding: base64", body=b"a b!\r\n" * 300_000),
    "blanks at line ends": lambda: mail(b"Content-Transfer-Encoding: quoted-printable", body=b" \t\r\n" * 500_000),
    "blanks without a line end": lambda: mail(b"Content-Transfer-Encoding: quoted-printable", body=b" " * 2_000_000),
    "equal signs": lambda: mail(b"Content-Transfer-Encoding: quoted-printable", body=b"==\r" * 500_000),
    "uuencoded lines": lambda: mail(b"Content-Transfer-Encoding: x-uuencode", body=b"begin 644 a\r\n" + b"!``\r\n" * 300_000),
    "begins of uuencode": lambda: mail(b"Content-Transfer-Encoding: x-uuencode", body=b"begin 644 a\r\n" * 70_000),
    "escapes of ISO-2022-JP": lambda: mail(b"Content-Type: text/plain; charset=iso-2022-jp", body=b"\x1b$B-\x1b(B" * 60_000),
    "EUC-JP in pieces": lambda: mail(b"Content-Type: text/plain; charset=euc-jp", body=b"\xad\xa1a\x8e\xff" * 100_000),
    "euro signs in GBK": lambda: mail(b"Content-Type: text/plain; charset=gbk", body=b"\x80\x81" * 200_000),
    "opened metas": lambda: mail(b"Content-Type: text/html", body=b"\xff" + b"<meta charset" * 30_000),
    "question marks in words": lambda: mail(b"Subject: =?utf-8?Q?" + b"?=20" * 25_000, b"To: =?a?Q?" + b"?" * 90_000),
    "quotes in parameters": lambda: mail(b'Content-Type: text/plain; name="' + b'a" ' * 30_000),
    "names without semicolons": lambda: mail(b"Content-Type: text/plain; name=a" + b" name" * 20_000 + b" name=" * 10_000),
    "blanks in a date": lambda: mail(b"Date: Mon, " + b" " * 50_000 + b"(" * 50_000),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_costs_less_than_a_second_of_an_ordinary_machine(name):
    raw = HOSTILE[name]()

    assert cost(lambda: read(raw)) < SECOND
    assert cost(lambda: attachment(raw, 0)) < SECOND


def read(raw):
    """All that is read of a mail for its event."""
    fields = split_headers(raw)
    summary = summarise(fields)
    letter = parse(raw, fields)
    preview(reply_text(letter.text, forwarded=is_forward(summary.subject)))
    find_codes(summary.subject, letter.text)


def test_parts_beyond_the_bounds_are_said():
    assert "only the first 10000 parts were read" in parse(HOSTILE["100 000 parts"]()).defects
    assert "parts nested deeper than 20 levels are not parsed" in parse(nested(1000)).defects


def test_what_lies_too_deep_is_still_listed():
    assert [part.content_type for part in parse(nested(30)).attachments] == ["multipart/mixed"]
