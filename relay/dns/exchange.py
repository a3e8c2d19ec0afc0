"""Send one DNS query to one nameserver: by UDP, then TCP if truncated."""

import asyncio
import struct
from typing import Final

import dns.message

from relay.dns.shares import Count
from relay.dns.wire import ReplyTooLong, Truncated, reply_to
from relay.errors import DnsUnavailable

_MAX_STRAY: Final = 32  # unrelated datagrams accepted before the query fails

Nameserver = tuple[str, int]


async def exchange(
    query: dns.message.QueryMessage, nameserver: Nameserver, *, seconds: float, count: Count = lambda _: None
) -> dns.message.QueryMessage:
    """Send *query* to *nameserver* and return the reply; *count* is called with the name of a bound that it reaches.

    Raises DnsUnavailable: after *seconds* without a reply, or after a network error.
    """
    try:
        async with asyncio.timeout(seconds):
            try:
                return await _by_udp(query, nameserver, count)
            except Truncated:
                return await _by_tcp(query, nameserver)
    except ReplyTooLong:
        count("dns_reply_bytes")
        raise
    except (TimeoutError, OSError, EOFError, Truncated) as error:
        raise DnsUnavailable(f"{nameserver[0]} did not answer") from error


async def _by_udp(query: dns.message.QueryMessage, nameserver: Nameserver, count: Count) -> dns.message.QueryMessage:
    loop = asyncio.get_running_loop()
    # Each query has its own connected socket: a forger must guess the port as well as the query id.
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Listener(query, count), remote_addr=nameserver)
    try:
        transport.sendto(query.to_wire())
        return await protocol.reply
    finally:
        transport.close()


async def _by_tcp(query: dns.message.QueryMessage, nameserver: Nameserver) -> dns.message.QueryMessage:
    reader, writer = await asyncio.open_connection(*nameserver)
    try:
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        reply = reply_to(query, await reader.readexactly(size))
    finally:
        writer.close()
    if reply is None:
        raise DnsUnavailable(f"{nameserver[0]} sent a reply that does not match the query")
    return reply


class _Listener(asyncio.DatagramProtocol):
    """Waits for the datagram that matches the query and skips unrelated ones."""

    def __init__(self, query: dns.message.QueryMessage, count: Count) -> None:
        self._query = query
        self._count = count
        self._stray = 0
        self.reply: asyncio.Future[dns.message.QueryMessage] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 (the socket is connected)
        if self.reply.done():
            return
        try:
            reply = reply_to(self._query, data)
        except (Truncated, DnsUnavailable) as error:
            self.reply.set_exception(error)
            return
        if reply is not None:
            self.reply.set_result(reply)
            return
        self._stray += 1
        if self._stray >= _MAX_STRAY:
            self._count("dns_stray_datagrams")
            self.reply.set_exception(DnsUnavailable("only unrelated datagrams arrived"))

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)
