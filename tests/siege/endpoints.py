"""Webhook endpoints of an attacker: real servers that answer as no web server would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tests.siege.aim import FAILURES

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """Answer each request with *talk*; the URL."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*FAILURES):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(once, "127.0.0.1", 0, backlog=1000)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def quick(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take all of the request, then answer 204."""
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    await writer.drain()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while await reader.read(65_536):
                pass


async def interim(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 100 Continue without end."""
    await _endless(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


async def head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with fields without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _endless(writer, b"X-Field: value\r\n" * 1000)


async def body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a body without end."""
    writer.write(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _endless(writer, b"1\r\nx\r\n" * 5000)


async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with one octet each second."""
    for octet in b"HTTP/1.1 500 " + b"x" * 600:
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(1)


async def _endless(writer: asyncio.StreamWriter, octets: bytes) -> None:
    while True:
        writer.write(octets)
        await writer.drain()
