"""A mail from a file."""

from ipaddress import ip_address

import pytest

from relay.cli.arguments import ip_type, recipient_type, sender_type
from relay.eml_file import envelope_for, spool_of
from relay.errors import BadAddress

IP = ip_address("192.0.2.1")


@pytest.mark.parametrize(
    ("content", "mail"),
    [
        (b"A: b\n\nhi\n", b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\r\n\r\nhi\r\n", b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\r\rhi\r", b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\n\r\nhi", b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\r\r\n", b"A: b\r\n\r\n"),
        (b".\n..\n", b".\r\n..\r\n"),
        (b"", b"\r\n"),
    ],
)
def test_every_line_ends_as_smtp_would_have_it(content, mail):
    with spool_of(content) as spool:
        assert mail == spool.head()


@pytest.mark.parametrize("mail_from", ["", "<>", " <> "])
def test_nobody_sends_a_bounce(mail_from):
    assert sender_type(mail_from) is None


def test_an_envelope_keeps_the_order_of_its_recipients():
    recipients = [recipient_type("B+x@Agents.Example"), recipient_type("a@agents.example")]
    envelope = envelope_for(recipients, mail_from=sender_type("ana@example.com"), ip=IP, helo="mx")

    assert ["B+x@agents.example", "a@agents.example"] == [str(each) for each in envelope.rcpt_to]
    assert ("ana@example.com", IP, "mx", None) == (
        str(envelope.mail_from),
        envelope.peer.ip,
        envelope.peer.helo,
        envelope.peer.tls,
    )


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("s@example.com", "s@example.com"),
        ("<s@example.com>", "s@example.com"),
        (' "a b"@example.com ', '"a b"@example.com'),
        ("s@example.com.", "s@example.com"),
        ("s@[192.0.2.1]", "s@[192.0.2.1]"),
        ("<@relay.example:s@example.com>", "s@example.com"),
    ],
)
def test_addresses_are_taken_as_the_smtp_server_takes_them(written, address):
    assert address == str(sender_type(written)) == str(recipient_type(written))


@pytest.mark.parametrize(
    "written", ["nonsense", "a@b@c", "non sense", "s@x.example b", "<s@x.example> SIZE=1", "postmaster"]
)
def test_what_is_no_address_is_refused(written):
    with pytest.raises(BadAddress):
        sender_type(written)
    with pytest.raises(BadAddress):
        recipient_type("")


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address():
    assert str(ip_type("::ffff:192.0.2.1")) == "192.0.2.1"
