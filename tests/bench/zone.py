"""A tiny authoritative DNS server on UDP: ``python -m tests.bench.zone PORT ZONE_FILE``."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.bench.world import Zone, read_zone

TTL: Final = 3600  # seconds: the bench measures the server, not how fast this one answers


class Zoned(asyncio.DatagramProtocol):
    """Answers from a table; a name without records and without names below it is NXDOMAIN."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._names = {name for name, _ in zone}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        self._transport.sendto(self._answer(query).to_wire(max_size=4096), addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(question.rdtype)
        if values := self._zone.get((name, rdtype)):
            texts = [_quoted(value) if rdtype == "TXT" else value for value in values]
            response.answer.append(dns.rrset.from_text(question.name, TTL, "IN", rdtype, *texts))
        elif not any(known == name or known.endswith(f".{name}") for known in self._names):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


def _quoted(text: str) -> str:
    """*text* as character-strings of at most 255 bytes (RFC 1035 §3.3)."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


async def serve(port: int, zone: Zone) -> None:
    """Answer on 127.0.0.1 until cancelled."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Zoned(zone), local_addr=("127.0.0.1", port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), read_zone(Path(sys.argv[2]))))
