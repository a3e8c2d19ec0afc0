from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from relay.mail.headers import split_headers
from relay.mail.trace import hop_count, received, return_path
from tests.mail.letters import headers

AT = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
ANA, BOT, EVA = (Address(local, "example.com") for local in ("ana", "bot", "eva"))


def envelope(*rcpt_to, mail_from=ANA, ip="192.0.2.1", helo="mx.example.com", tls=None, protocol="ESMTP"):
    peer = Peer(ip=ip_address(ip), helo=helo, tls=tls, protocol=protocol)
    return Envelope(peer=peer, mail_from=mail_from, rcpt_to=rcpt_to or (BOT,))


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (ANA, b"Return-Path: <ana@example.com>\r\n"),
        (None, b"Return-Path: <>\r\n"),
        (Address("ü", "example.com"), "Return-Path: <ü@example.com>\r\n".encode()),
        (Address("a b", "example.com"), b'Return-Path: <"a b"@example.com>\r\n'),
        (Address("a\r\nX: y", "example.com"), b'Return-Path: <"aX: y"@example.com>\r\n'),
    ],
)
def test_the_return_path_is_the_envelopes_sender(sender, expected):
    assert expected == return_path(sender)


def test_received_says_from_whom_by_whom_how_and_when():
    field = received(envelope(tls="TLSv1.3", protocol="ESMTPS"), hostname="relay.example", message_id="msg_1", at=AT)

    assert field == (
        b"Received: from mx.example.com ([192.0.2.1])\r\n"
        b" by relay.example with ESMTPS (TLSv1.3) id msg_1\r\n"
        b" for <bot@example.com>;\r\n"
        b" Mon, 23 Nov 2026 15:17:00 +0000\r\n"
    )


def test_received_names_no_recipient_when_there_are_two():
    assert b" for " not in received(envelope(BOT, EVA), hostname="relay.example", message_id="msg_1", at=AT)


@pytest.mark.parametrize(
    ("ip", "expected"), [("2001:db8::1", b"([IPv6:2001:db8::1])"), ("192.0.2.1", b"([192.0.2.1])")]
)
def test_received_writes_the_peer_as_an_address_literal(ip, expected):
    assert expected in received(
        envelope(ip=ip, helo="[192.0.2.9]"), hostname="relay.example", message_id="msg_1", at=AT
    )


@pytest.mark.parametrize("helo", ["x\r\nX-Evil: 1", "x) by me (", "x; dmarc=pass", "", "\x00\x85", 'a"<b>\\'])
def test_no_name_of_a_peer_can_add_a_field_or_a_clause(helo):
    raw = received(envelope(helo=helo), hostname="relay.example", message_id="msg_1", at=AT)

    assert [field.name for field in split_headers(raw + b"\r\n").fields] == ["received"]
    assert (raw.count(b";"), raw.count(b"("), raw.count(b")")) == (1, 1, 1)


def test_hops_are_the_received_fields():
    assert hop_count(headers(b"Received: a", b"Received : b", b"received: c", b"X-Received: d")) == 3
