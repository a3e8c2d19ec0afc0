"""A mail from a file."""

from ipaddress import ip_address

import pytest

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
    assert envelope_for(["bot@agents.example"], mail_from=mail_from, ip=IP, helo="x").mail_from is None


def test_an_envelope_keeps_the_order_of_its_recipients():
    envelope = envelope_for(["B+x@Agents.Example", "a@agents.example"], mail_from="ana@example.com", ip=IP, helo="mx")

    assert ["B+x@agents.example", "a@agents.example"] == [str(each) for each in envelope.rcpt_to]
    assert ("ana@example.com", IP, "mx", None) == (
        str(envelope.mail_from),
        envelope.peer.ip,
        envelope.peer.helo,
        envelope.peer.tls,
    )


@pytest.mark.parametrize(
    ("to", "mail_from"), [("nonsense", ""), ("a@b@c", ""), ("bot@agents.example", "non sense"), ("", "")]
)
def test_what_is_no_address_makes_no_envelope(to, mail_from):
    with pytest.raises(BadAddress):
        envelope_for([to], mail_from=mail_from, ip=IP, helo="x")
