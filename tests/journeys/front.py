"""A web site of an agent's owner: it passes the stream on to a page of its own, and hears what the page got.

A browser's EventSource cannot send an API key, and a key has no business in a page: the site adds it.
"""

import asyncio
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

PATIENCE_SECONDS = 40
SCRIPT = """
const source = new EventSource("%(url)s/events");
source.addEventListener("email.received", event => {
  const {headers, body} = JSON.parse(event.data);
  const told = {id: event.lastEventId, type: event.type, webhook_id: headers["webhook-id"], body};
  fetch("%(url)s/told", {method: "POST", body: JSON.stringify(told)});
});
source.onopen = () => fetch("%(url)s/told", {method: "POST", body: JSON.stringify({open: true})});
"""


class Front:
    """``async with Front(relay's http, key, agent) as front``: listens on a free port of 127.0.0.1."""

    def __init__(self, http: tuple[str, int], key: str, agent: str) -> None:
        self._events = URL("http://{}:{}/v1/agents/".format(*http) + quote(agent, safe="") + "/events", encoded=True)
        self._key = key
        self._streams: dict[asyncio.Task[None], asyncio.Transport] = {}
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.resumed: list[str | None] = []  # the Last-Event-ID of each connection
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes([web.get("/", self._page), web.get("/events", self._pass_on), web.post("/told", self._hear)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def script(self) -> str:
        return SCRIPT % {"url": self.url}

    async def hears(self) -> Any:
        """What the page tells next."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.told.get()

    def cut(self) -> None:
        """Break every stream off."""
        for task, transport in self._streams.items():
            transport.abort()
            task.cancel()
        self._streams.clear()

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><script>{self.script}</script>", content_type="text/html")

    async def _hear(self, request: web.Request) -> web.Response:
        self.told.put_nowait(await request.json())
        return web.Response(status=204)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        last_id = request.headers.get("Last-Event-ID")
        self.resumed.append(last_id)
        headers = {"Authorization": f"Bearer {self._key}"} | ({"Last-Event-ID": last_id} if last_id else {})
        async with aiohttp.ClientSession() as session, session.get(self._events, headers=headers) as answer:
            passed = web.StreamResponse(headers={"Content-Type": answer.headers["Content-Type"]})
            await passed.prepare(request)
            passing = asyncio.create_task(_pass_on(answer, passed))
            assert request.transport is not None
            self._streams[passing] = request.transport
            await asyncio.wait([passing])
        return passed


async def _pass_on(answer: aiohttp.ClientResponse, passed: web.StreamResponse) -> None:
    async for part in answer.content.iter_any():
        await passed.write(part)
