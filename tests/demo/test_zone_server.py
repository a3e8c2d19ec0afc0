import asyncio
import struct

import dns.flags
import dns.message
import dns.rcode
import pytest

from relay.demo.zone_server import ZoneServer

ZONE = {
    ("example.com", "A"): ["192.0.2.1", "192.0.2.2"],
    ("example.com", "MX"): ["10 mx.example.com", "20 mx2.example.com."],
    ("example.com", "TXT"): ['a "quoted" \\ text', "ü and \x00".encode().decode("latin-1")],
    ("long.example.com", "TXT"): ["x" * 3000],
    ("alias.example.com", "CNAME"): ["example.com"],
    ("loop.example.com", "CNAME"): ["loop.example.com"],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["example.com"],
}


def asked(server, name, rdtype, *, datagram=True, **options):
    wire = dns.message.make_query(name, rdtype, **options).to_wire()
    return dns.message.from_wire(server.answer(wire, datagram=datagram))


@pytest.mark.parametrize(
    ("name", "rdtype", "wanted"),
    [
        ("example.com", "A", ["192.0.2.1", "192.0.2.2"]),
        ("EXAMPLE.com", "A", ["192.0.2.1", "192.0.2.2"]),
        ("example.com", "MX", ["10 mx.example.com.", "20 mx2.example.com."]),
        ("example.com", "TXT", ['"a \\"quoted\\" \\\\ text"', '"\\195\\188 and \\000"']),
        ("1.2.0.192.in-addr.arpa", "PTR", ["example.com."]),
    ],
)
def test_records_are_answered(name, rdtype, wanted):
    reply = asked(ZoneServer(ZONE), name, rdtype)

    assert sorted(wanted) == sorted(str(rdata) for rdata in reply.answer[0])
    assert dns.rcode.NOERROR == reply.rcode()


@pytest.mark.parametrize(
    ("name", "rcode"),
    [("example.com", "NOERROR"), ("com", "NOERROR"), ("absent.example.com", "NXDOMAIN"), ("org", "NXDOMAIN")],
)
def test_absence_comes_with_a_soa(name, rcode):
    reply = asked(ZoneServer(ZONE, negative_ttl=7), name, "AAAA")

    assert (rcode, []) == (dns.rcode.to_text(reply.rcode()), reply.answer)
    assert 7 == reply.authority[0][0].minimum


def test_an_alias_is_followed():
    reply = asked(ZoneServer(ZONE), "alias.example.com", "A")

    assert ["CNAME", "A"] == [rrset.to_text().split()[3] for rrset in reply.answer]


def test_an_alias_of_itself_ends():
    assert dns.rcode.NOERROR == asked(ZoneServer(ZONE), "loop.example.com", "A").rcode()


def test_a_failing_name_is_a_servfail():
    server = ZoneServer(ZONE, failing=["Example.com."])

    assert dns.rcode.SERVFAIL == asked(server, "example.com", "A").rcode()
    assert [("example.com", "A")] == server.asked


def test_what_does_not_fit_is_truncated_in_a_datagram_only():
    server = ZoneServer(ZONE)

    assert asked(server, "long.example.com", "TXT", use_edns=0, payload=1232).flags & dns.flags.TC
    assert not asked(server, "long.example.com", "TXT", use_edns=0, payload=4096).flags & dns.flags.TC
    assert not asked(server, "long.example.com", "TXT", datagram=False).flags & dns.flags.TC


@pytest.mark.parametrize(
    "wire",
    [b"", b"x", b"\x00" * 12, dns.message.make_response(dns.message.make_query("a", "A", id=7)).to_wire()],
    ids=["nothing", "one octet", "an empty header", "a response"],
)
def test_what_is_no_query_has_no_answer(wire):
    assert ZoneServer(ZONE).answer(wire, datagram=True) is None


async def test_it_listens_on_one_port_for_both_transports():
    server = ZoneServer(ZONE)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection(*server.address)
        wire = dns.message.make_query("example.com", "A").to_wire()
        writer.write(2 * (struct.pack("!H", len(wire)) + wire))
        for _ in range(2):
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            assert 2 == len(dns.message.from_wire(await reader.readexactly(size)).answer[0])
        writer.write(struct.pack("!H", 1) + b"x")
        assert b"" == await reader.read()
        writer.close()
    finally:
        await server.stop()


async def test_one_that_was_not_started_can_be_stopped():
    await ZoneServer({}).stop()
