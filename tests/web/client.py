"""A relay's HTTP door on a free port, and a client that holds a key."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from fastapi import FastAPI
from sqlalchemy import select
from yarl import URL

from relay.delivery.attempt import DeliveryContext
from relay.delivery.post import Poster
from relay.delivery.trial import Trial, try_webhook
from relay.directory.dns_records import DnsIdentity
from relay.directory.keys import create_key
from relay.mail.routes import Routes
from relay.metrics import Metrics
from relay.outbound.context import SendContext
from relay.outbound.couriers.senders import Senders
from relay.web.access.context import WebContext
from relay.web.app import make_api, make_app
from relay.web.http.limits import ApiLimits
from relay.web.http.server import WebServer
from store.engine import Store
from store.records.mail import Agent, Message
from tests.fakes import FakeClock, FakeResolver
from tests.places import Places

BOT = "bot@agents.example"
OWNER = "ana@owner.example"
UNCOUNTED = ApiLimits(rate_per_key=0, rate_per_user=0, failed_keys_per_peer=0)
BASE_URL = "https://relay.example"
PAGE = b"<html><script>alert(1)</script></html>"
WITH_FILES = (
    b"Subject: files\r\nFrom: Bo <bo@sender.example>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nSee the files.\r\n"
    b"--x\r\nContent-Type: text/html; charset=utf-8\r\n"
    b'Content-Disposition: attachment; filename="page.html"\r\n\r\n' + PAGE + b"\r\n"
    b"--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''%C3%BCber%0D%0Aa%22b.pdf\r\n\r\n"
    + base64.b64encode(bytes(range(256)))
    + b"\r\n--x\r\nContent-Type: image/svg+xml\r\nContent-Disposition: attachment\r\n\r\n<svg/>\r\n"
    b"--x\r\nContent-Type: te\xffxt/h\xe9 ; x\r\nContent-Disposition: attachment; filename=odd\r\n\r\nodd\r\n--x--\r\n"
)


@dataclass(frozen=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Any
    body: bytes
    json: Any  # None where the body is none

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code, of what must be a whole problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json.keys() >= {"type", "title", "status", "code", "detail"}
        assert self.json["status"] == self.status
        assert f"{BASE_URL}/help/errors#{self.json['code']}" == self.json["type"]
        return self.status, self.json["code"]


class ApiServer:
    """An open HTTP door over a store, and requests to it."""

    def __init__(
        self, store: Store, clock: FakeClock, places: Places, limits: ApiLimits = UNCOUNTED, courier=None
    ) -> None:
        self.store = store
        self.clock = clock
        self.places = places
        self.metrics = Metrics()
        self.dns = FakeResolver({})
        self.ready: bool | Exception = True
        self.send_context = SendContext(
            store=store,
            clock=clock,
            master=places.master,
            routes=Routes(hostname="mx.here.example", postmaster=None, shared_domain="shared.example"),
            base_url=BASE_URL,
            courier=courier,
            senders=Senders(from_domain=None),
        )
        ctx = WebContext(
            store=store,
            clock=clock,
            base_url=BASE_URL,
            master=places.master,
            metrics=self.metrics,
            is_ready=self._is_ready,
            try_webhook=self._try_webhook,
            resolver=self.dns,
            dns_identity=DnsIdentity(hostname="mx.here.example"),
            shared_domain="shared.example",
            allow=places.allow,
            max_message_bytes=36_700_160,
            send_context=self.send_context,
            limits=limits,
        )
        self.app = make_app(ctx)
        self.server = WebServer(
            self.app, limits, base_url=BASE_URL, on_stop=ctx.close, count_bound=self.metrics.count_bound
        )
        self.session: aiohttp.ClientSession
        self.key = ""
        self.message_id = ""  # of the one message, where a door is only looked at

    async def open(self) -> None:
        await self.server.start([("127.0.0.1", 0)])
        self.session = aiohttp.ClientSession()
        self.key = await self.new_key()

    def own_api(self) -> FastAPI:
        """This door's own routes from now on, to add some to."""
        self.app.api = api = make_api()
        return api

    async def close(self) -> None:
        await self.session.close()
        await self.server.stop(1)

    async def new_key(self, email: str = OWNER, **more: Any) -> str:
        """A fresh key of this user, who is made if need be."""

        def unit(tx):
            return create_key(tx, self.places.user(tx, email).id, name="", now=self.clock.now(), **more)

        return (await self.store.write(unit))[1]

    async def agent(self, address: str = BOT, *, owner: str = OWNER, **more: Any) -> None:
        def unit(tx):
            user = self.places.user(tx, owner)
            self.places.domain(tx, user, address.rpartition("@")[2])
            self.places.agent(tx, user, address, **more)

        await self.store.write(unit)

    async def message(
        self, raw: bytes = b"Subject: hi\r\n\r\nhello\r\n", *, agent: str = BOT, **changes: Any
    ) -> Message:
        return await self.store.write(lambda tx: self.places.message(tx, agent, raw, **changes))

    async def ask(self, method: str, path: str, *, key: str | None = "", **more: Any) -> Answer:
        """One request; with the owner's key unless another, or None for none, is given."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.key}"
        host, port = self.server.addresses[0]
        url = URL(f"http://{host}:{port}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, **more) as response:
            body = await response.read()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(
                response.status, response.headers, body, await response.json(content_type=None) if is_json else None
            )

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, json=json, **more)

    async def patch(self, path: str, json: Any = None, **more: Any) -> Answer:
        return await self.ask("PATCH", path, json=json, **more)

    async def has_waiter(self) -> None:
        """Return once a long poll is waiting for mail, having found none."""
        async with asyncio.timeout(10):
            while not self.store.notifier._waiting:  # noqa: ASYNC110 (the bell has no event for a new waiter)
                await asyncio.sleep(0.005)
            for _ in range(3):  # its first look began before these
                await self.store.read(lambda tx: tx.execute(select(1)))

    async def _try_webhook(self, agent: Agent) -> Trial:
        poster = Poster(clock=self.clock, allow=self.places.allow)
        delivery_context = DeliveryContext(
            store=self.store,
            poster=poster,
            clock=self.clock,
            master=self.places.master,
            base_url=BASE_URL,
            retry_seconds=(60.0,),
            heavy=asyncio.Semaphore(1),
            count=self.metrics.count_attempt,
        )
        async with poster:
            return await try_webhook(agent, ctx=delivery_context)

    async def _is_ready(self) -> bool:
        if isinstance(self.ready, Exception):
            raise self.ready
        return self.ready


@asynccontextmanager
async def serve_api(*given: Any, **more: Any) -> AsyncIterator[ApiServer]:
    """A door that is open meanwhile."""
    api_server = ApiServer(*given, **more)
    await api_server.open()
    yield api_server
    await api_server.close()


def messages(rest: str = "", agent: str = BOT) -> str:
    """The path of an agent's messages, or of something of them."""
    return f"/v1/agents/{quote(agent, safe='')}/messages{rest}"


def queue(verb: str, agent: str = BOT) -> str:
    """The path of a verb of an agent's queue."""
    return f"/v1/agents/{quote(agent, safe='')}/queue/{verb}"
