"""A webhook endpoint that writes down each event, and as seeded dice say is slow or answers 500."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random
from typing import Self

from aiohttp import ClientConnectionResetError, web

from tests.faults.ledger import HandedOut, Ledger


class Endpoint:
    """``async with Endpoint(...) as endpoint``: listens on a free port of 127.0.0.1."""

    def __init__(self, ledger: Ledger, dice: Random, *, at: Callable[[str], None]) -> None:
        """*at* is told of each step of a delivery."""
        self._ledger = ledger
        self._dice = dice
        self._at = at
        self._runner = web.ServerRunner(web.Server(self._take, access_log=None), shutdown_timeout=0.1)
        self._port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        came, event_id = time.monotonic(), request.headers["webhook-id"]
        await request.read()
        self._ledger.posts.append(HandedOut(event_id, request.headers.get("Mailseal-Message-Id", ""), came))
        self._at("webhook: the request came")
        chance = self._dice.random()
        if chance < 0.1:
            await asyncio.sleep(self._dice.uniform(0.02, 0.4))  # this is the fault, not a wait
        status = 500 if 0.1 < chance < 0.15 else 204
        self._ledger.note("webhook", event_id, str(status))
        response = web.Response(status=status)
        with contextlib.suppress(ClientConnectionResetError):  # its daemon was killed
            await response.prepare(request)
            await response.write_eof()
        self._at("webhook: the answer is sent")
        return response
