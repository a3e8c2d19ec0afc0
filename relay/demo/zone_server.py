"""A small authoritative DNS server on the loopback interface, for the demonstration and for tests.

Answers over UDP and TCP from a mapping, with NXDOMAIN, NODATA and SOA (RFC 2308), follows CNAMEs inside
its zone, and truncates responses that do not fit in a datagram.
"""

import asyncio
import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

LOOPBACK: Final = "127.0.0.1"
_MAX_CHAIN: Final = 8
_MAX_STRING: Final = 255  # octets of one string of a TXT record (RFC 1035 §3.3.14)
_ATTEMPTS: Final = 20  # to find a port that is free for both transports

Zone = Mapping[tuple[str, str], Sequence[str]]


class ZoneServer:
    """Answers for all names; a name that is not in *zone* does not exist. Start and stop it once."""

    def __init__(self, zone: Zone, *, failing: Collection[str] = (), ttl: int = 60, negative_ttl: int = 30) -> None:
        self._zone = {(_key(name), rdtype): list(records) for (name, rdtype), records in zone.items()}
        self._failing = {_key(name) for name in failing}  # names answered by SERVFAIL
        self._ttl = ttl
        self._soa = f". hostmaster.invalid. 1 3600 600 86400 {negative_ttl}"
        self._negative_ttl = negative_ttl
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self.asked: list[tuple[str, str]] = []  # all questions, in order

    @property
    def address(self) -> tuple[str, int]:
        """Its address, the same for UDP and TCP; only while it runs."""
        assert self._tcp is not None, "not started"
        host, port = self._tcp.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listen on a free port of the loopback interface. Raises OSError if there is none."""
        for attempt in range(_ATTEMPTS):
            self._tcp = await asyncio.start_server(self._talk, LOOPBACK, 0)
            try:
                self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=self.address
                )
            except OSError:
                self._tcp.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def answer(self, wire: bytes, *, datagram: bool) -> bytes | None:
        """The response to the query *wire*; None if it is not a query."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1 or query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        self._fill(response, question.name, question.rdtype)
        return self._fit(response, query, datagram=datagram)

    def _fill(self, response: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> None:
        kind = dns.rdatatype.to_text(rdtype)
        self.asked.append((_plain(name), kind))
        if _plain(name) in self._failing:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        for _ in range(_MAX_CHAIN):
            records = self._zone.get((_plain(name), kind), [])
            alias = [] if records else self._zone.get((_plain(name), "CNAME"), [])
            if records:
                response.answer.append(self._rrset(name, kind, records))
            if not alias:
                break
            response.answer.append(self._rrset(name, "CNAME", alias))
            name = dns.name.from_text(alias[0])
        if not response.answer or response.answer[-1].rdtype != rdtype:
            self._deny(response, name)

    def _deny(self, response: dns.message.Message, name: dns.name.Name) -> None:
        key = _plain(name)
        if not any(known == key or known.endswith("." + key) for known, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = dns.rrset.from_text(dns.name.root, self._negative_ttl, "IN", "SOA", self._soa)
        response.authority.append(soa)

    def _rrset(self, name: dns.name.Name, kind: str, records: Sequence[str]) -> dns.rrset.RRset:
        texts = [_presentation(kind, record) for record in records]
        return dns.rrset.from_text_list(name, self._ttl, "IN", kind, texts)

    def _fit(self, response: dns.message.Message, query: dns.message.Message, *, datagram: bool) -> bytes:
        limit = max(512, query.payload) if datagram else 65535
        try:
            return response.to_wire(max_size=limit)
        except dns.exception.TooBig:
            bare = dns.message.make_response(query, recursion_available=True)
            bare.flags |= dns.flags.TC
            return bare.to_wire()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                reply = self.answer(await reader.readexactly(size), datagram=False)
                if reply is None:
                    break
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has disconnected
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ZoneServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has another base class, but the same methods.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.answer(data, datagram=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def _plain(name: dns.name.Name) -> str:
    """*name* as the bytes of its labels, without the escapes of a zone file."""
    return _key(b".".join(name.labels).decode("latin-1"))


def _presentation(kind: str, record: str) -> str:
    """*record* in zone file format: absolute names, text quoted in strings of at most 255 octets."""
    if kind == "TXT":
        octets = record.encode("latin-1", "replace")
        pieces = [octets[start : start + _MAX_STRING] for start in range(0, len(octets), _MAX_STRING)] or [b""]
        return " ".join('"' + "".join(_escaped(octet) for octet in piece) + '"' for piece in pieces)
    if kind in ("MX", "PTR", "CNAME", "NS"):
        return record.rstrip(".") + "."
    return record


def _escaped(octet: int) -> str:
    return chr(octet) if 0x20 <= octet <= 0x7E and octet not in b'"\\' else f"\\{octet:03d}"
