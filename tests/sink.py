"""An agent's webhook endpoint: a real HTTP server that answers each path as a test says, and keeps what it was sent."""

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Posted:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message_id(self) -> str:
        return self.event["data"]["message_id"]


@dataclass(frozen=True)
class Reply:
    """What a path answers, once it is let go."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()


class Sink:
    """``async with Sink() as sink``: listens on a free port of 127.0.0.1 from there on."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.open: Counter[str] = Counter()  # requests without an answer yet, by path
        self.most_open: Counter[str] = Counter()  # the most there ever were at once
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(lambda: deque([Reply()]))
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Condition()
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        self._port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for path in list(self._gates):
            self.let_go(path)
        await self._runner.cleanup()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def answers(self, path: str, *replies: int | Reply) -> None:
        """Answer with these one after the other, and with the last one for ever."""
        self._replies[path] = deque(reply if isinstance(reply, Reply) else Reply(reply) for reply in replies)

    def hang(self, path: str) -> None:
        """Answer nothing at *path* until it is let go."""
        self._gates[path] = asyncio.Event()

    def let_go(self, path: str) -> None:
        """Answer what hangs at *path*, and what comes from now on."""
        self._gates.pop(path).set()

    def at(self, path: str) -> list[Posted]:
        """What came to *path*, in order."""
        return [posted for posted in self.posted if posted.path == path]

    async def got(self, count: int, path: str = "/hook") -> list[Posted]:
        """What came to *path*, once it is *count* or more."""
        await self._until(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def got_about(self, message_id: str, times: int = 1) -> Posted:
        """The request about one message, once it has come *times* times."""
        await self._until(lambda: sum(posted.message_id == message_id for posted in self.posted) >= times)
        return [posted for posted in self.posted if posted.message_id == message_id][-1]

    async def idle(self) -> None:
        """Return once every request has its answer."""
        await self._until(lambda: not self.open.total())

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(condition)

    async def _take(self, request: web.BaseRequest) -> web.Response:
        path, body = request.path, await request.read()
        self.open[path] += 1
        self.most_open[path] = max(self.most_open[path], self.open[path])
        await self._note(Posted(path, request.headers, body))
        try:
            if path in self._gates:
                await self._gates[path].wait()
        finally:
            self.open[path] -= 1
            await self._note()
        replies = self._replies[path]
        reply = replies.popleft() if len(replies) > 1 else replies[0]
        return web.Response(status=reply.status, headers=dict(reply.headers))

    async def _note(self, posted: Posted | None = None) -> None:
        async with self._changed:
            if posted is not None:
                self.posted.append(posted)
            self._changed.notify_all()
