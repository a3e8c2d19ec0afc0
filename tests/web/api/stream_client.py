"""A client of the event stream, as one would be written from the standard, and what it makes of an event."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from relay.bridge.sse import Parser, ResumeMark
from tests.web.client import BOT

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Event:
    """One event that came."""

    id: str
    type: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message_id(self) -> str:
        return self.json["data"]["message_id"]


class Stream:
    """One open connection."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.raw = b""
        self._parser = Parser()
        self._pending: list[Event] = []

    @property
    def last_id(self) -> str | None:
        """What to come back with."""
        return self._pending[0].id if self._pending else self._parser.last_id

    async def began(self) -> "Stream":
        """Once the stream has said where it begins."""
        while self._parser.last_id is None:
            assert await self._more(), "the stream ended before it began"
        return self

    async def event(self) -> Event:
        """The next event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._pending:
                assert await self._more(), "the stream ended"
        return self._pending.pop(0)

    async def events(self, count: int) -> list[Event]:
        return [await self.event() for _ in range(count)]

    async def sign_of_life(self) -> None:
        """Return after one more than there has been."""
        seen = self.raw.count(b":\n\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.raw.count(b":\n\n") <= seen:
                assert await self._more(), "the stream ended"

    async def rest(self) -> list[Event]:
        """What comes until the stream ends by itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._more():
                pass
        found, self._pending = self._pending, []
        return found

    async def _more(self) -> bool:
        part = await self.answer.content.readany()
        self.raw += part
        for message in self._parser.feed(part):
            if isinstance(message, ResumeMark):
                continue
            data = json.loads(message.data)
            self._pending.append(Event(message.id or "", message.type, data["headers"], data["body"].encode()))
        return bool(part)


def events(query: str = "", agent: str = BOT) -> str:
    """The path of an agent's stream."""
    return f"/v1/agents/{quote(agent, safe='')}/events{query}"


@asynccontextmanager
async def following(api_server: Any, query: str = "", *, agent: str = BOT, last_id: str | None = None, key: str = ""):
    """A stream of *door* that has begun."""
    headers = {"Authorization": f"Bearer {key or api_server.key}"} | ({"Last-Event-ID": last_id} if last_id else {})
    host, port = api_server.server.addresses[0]
    url = URL(f"http://{host}:{port}{events(query, agent)}", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.read()
        yield await Stream(answer).began()
