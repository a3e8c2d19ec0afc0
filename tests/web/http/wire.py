"""A client that speaks HTTP badly, byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.web.client import BASE_URL, ApiServer

PATIENCE = 10.0  # seconds, for what must happen


@dataclass(frozen=True)
class Reply:
    """An answer as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code, of what must be a problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert f"{BASE_URL}/help/errors#{document['code']}" == document["type"]
        return self.status, document["code"]


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, *parts: bytes) -> None:
        """Write as long as the other side takes it."""
        with suppress(ConnectionError):
            for part in parts:
                self._writer.write(part)
                await self._writer.drain()

    async def trickle(self, part: bytes, *, every: float) -> None:
        """Write the same again and again until the other side has enough."""
        with suppress(ConnectionError):
            while not self._reader.at_eof() and not self._writer.is_closing():
                self._writer.write(part)
                await self._writer.drain()
                await asyncio.sleep(every)

    async def reply(self) -> Reply:
        """The next answer."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(first.split(" ")[1]), headers, body)

    async def ends(self) -> bytes:
        """What else comes until the other side has closed."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def line(api_server: ApiServer, *, peer: str = "127.0.0.1") -> AsyncIterator[Line]:
    """A connection to the server from the address *peer*, one of 127.0.0.0/8."""
    host, port = api_server.server.addresses[0]
    reader, writer = await asyncio.open_connection(host, port, local_addr=(peer, 0))
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def head(api_server: ApiServer, path: str, *fields: str, method: str = "GET", key: str | None = "") -> bytes:
    """A request's head; with the door's key unless another, or None for none, is given."""
    known = [] if key is None else [f"Authorization: Bearer {key or api_server.key}"]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: relay.example", *known, *fields, "", ""]).encode("latin-1")
