"""What strangers send that is hardly a mail: taken, kept byte for byte, readable, and cheap."""

import random

import pytest

from relay.events.inbound import event_body, message_data
from relay.signing.seal import verify_seal
from tests.cost import SECOND, cost_of
from tests.inbound.way_in import MAIL

BOT = "bot@agents.example"
PARTS = b"--x\r\n\r\n\r\n" * 100_000
NUL_WORDS = b"=?utf-8?b?AAAA?= =?utf-8?q?=00=00x?= =?utf-16?q?=00?= =?utf-7?q?+2AD-?="
LONG_ID = random.Random(7).randbytes(4000).translate(bytes(0x21 + byte % 94 for byte in range(256)), b"<>")[:900]


def mail(*fields: bytes, body: bytes = b"hi\r\n") -> bytes:
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


ODD = {
    "no From": lambda: mail(b"Subject: hi"),
    "two From": lambda: mail(b"From: ana@example.com", b"From: eve@evil.example"),
    "two authors": lambda: mail(b"From: ana@example.com, eve@evil.example"),
    "From without address": lambda: mail(b"From: Ana"),
    "empty From": lambda: mail(b"From:"),
    "50 kB of quotes in From": lambda: mail(b'From: "' + b'\\"' * 25_000 + b'" <ana@example.com>'),
    "50 kB of one address": lambda: mail(b"From: <" + b"a" * 50_000 + b"@example.com>"),
    "no header at all": lambda: b"\r\nonly a body\r\n",
    "no body": lambda: b"From: ana@example.com\r\nSubject: hi\r\n",
    "no field": lambda: mail(b"this is", b"no header", b": nor this"),
    "nothing": lambda: b"\r\n",
    "100 000 empty parts": lambda: mail(b"Content-Type: multipart/mixed; boundary=x", body=PARTS),
    "a charset nobody knows": lambda: mail(b"Content-Type: text/plain; charset=x-klingon", body=b"\xff\xfe\x80\r\n"),
    "MIME that never ends": lambda: mail(b"Content-Type: multipart/mixed; boundary=x", body=b"--x\r\nA: b\r\n"),
    "MIME without boundary": lambda: mail(b"Content-Type: multipart/mixed", body=b"--\r\n\r\nhi\r\n"),
    "broken base64": lambda: mail(b"Content-Transfer-Encoding: base64", body=b"!!!=hi=\r\n"),
    "8-bit headers": lambda: mail(b"From: \xe9 <\xff@example.com>", b"Subject: \xe9\x80", b"To: \xff", b"\xe9: x"),
    "8-bit address": lambda: mail("From: Zoë <zoë@bücher.example>".encode()),
    "8-bit id": lambda: mail(b"Message-ID: <\xff\xfe@\x80>", b"References: <\xe9@x> <\xff>", b"In-Reply-To: <\x80@y>"),
    "an id of 900 signs": lambda: mail(b"Message-ID: <" + LONG_ID + b">"),
    "an id of 900 signs that are no UTF-8": lambda: mail(b"Message-ID: <" + b"\xff\x80" * 450 + b">"),
    "NULs in encoded words": lambda: mail(b"From: " + NUL_WORDS + b" <ana@example.com>", b"Subject: " + NUL_WORDS),
    "surrogates in encoded words": lambda: mail(b"Subject: =?utf-16?b?2AA=?= =?utf-8?b?7aCA?=", b"From: x"),
    "line ends in encoded words": lambda: mail(b"Subject: =?utf-8?q?a=0D=0AX-Forged:_1?=", b"From: =?utf-8?q?=0A?= <a@b.c>"),
    "8-bit signatures": lambda: mail(
        b"DKIM-Signature: v=1; a=\xff; d=\xe9.example; s=\x80; h=from; bh=x; b=y",
        b"DKIM-Signature: \xff",
        b"ARC-Seal: i=1; a=\xff; d=\xff; s=\xff; cv=none; b=x",
        b"ARC-Message-Signature: i=1; d=\xff",
        b"ARC-Authentication-Results: i=1; \xff",
        b"From: ana@example.com",
    ),
    "names with NULs in signatures": lambda: mail(b"DKIM-Signature: v=1; d=a%00b; s=x y; h=from; bh=; b=", b"From: a@b.c"),
    "500 signatures": lambda: mail(*[b"DKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=x; b=y"] * 500),
    "20 000 recipients": lambda: mail(b"To: " + b"a@b.example, " * 20_000),
    "2 000 fields": lambda: mail(*[b"X-A: b"] * 2000),
    "2 000 results": lambda: mail(*[b"Authentication-Results: other.example; spf=pass"] * 2000),
    "comments without end": lambda: mail(b"From: " + b"(" * 100_000),
    "a date far away": lambda: mail(b"Date: Fri, 99 Foo 99999 99:99:99 +9999"),
    "a date that overflows": lambda: mail(b"Date: Fri, 31 Dec 9999 23:59:59 -2359"),
    "200 kB of subject": lambda: mail(b"Subject: " + b"\r\n x" * 50_000),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_mail_is_kept_byte_for_byte_and_can_be_told_to_its_agent(way_in, name):
    await way_in.agent(BOT, webhook="https://hook.example/")
    odd = ODD[name]()

    done = []

    async def take():
        message, raw = await way_in.receive_one(odd)
        data = message_data(message, raw, base_url="https://relay.example")
        event = event_body(event_id="evt_1", event_type="email.received", at=message.received_at, data=data)
        done[:] = message, raw, event

    spent = [await cost_of(take)]
    while spent[-1] >= SECOND and len(spent) < 3:  # other work in this process only adds
        spent.append(await cost_of(take))
    message, raw, event = done

    assert raw.endswith(odd)
    assert event.startswith(b'{"type":"email.received"')
    assert all(value.isascii() and value.isprintable() for value in message.auth_headers.values())
    assert verify_seal(message.auth_headers, [await way_in.secret(BOT)], raw).holds
    assert min(spent) < SECOND


@pytest.mark.parametrize("name", ["no From", "two From", "two authors", "From without address"])
async def test_a_mail_without_one_author_is_never_verified(way_in, name):
    await way_in.agent(BOT)

    message, _ = await way_in.receive_one(ODD[name]())

    assert (False, None) == (message.verified, message.verified_domain)


@pytest.mark.parametrize(
    "sender",
    ["zoë@example.com", "a%b@example.com", "a b@example.com", 'q"uo\\te@example.com', "ä" * 30 + "@example.com"],
)
async def test_an_odd_sender_of_the_envelope_stands_in_the_seal_as_printable_ascii(way_in, sender):
    await way_in.agent(BOT)

    message, raw = await way_in.receive_one(MAIL, mail_from=sender)

    written = message.auth_headers["Mailseal-Envelope-From"]
    assert (True, True) == (written.isascii(), written.isprintable())
    assert raw.endswith(MAIL)
    assert verify_seal(message.auth_headers, [await way_in.secret(BOT)], raw).holds
