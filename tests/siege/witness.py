"""The witness: a well-behaved client that uses all of the relay while others attack it, and notes what it gets.

It sends mail of a new domain each time, so that DNS is asked for each; asks /readyz and the API; signs in to the
console; and has a webhook, whose calls it waits for. Each request is on a new connection from an address of its own.
"""

import asyncio
import json
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from relay.signing.link import SignInLink, sign_in_token
from store.directory.used_links import sign_in_epoch
from tests.bench.measure import core_waits
from tests.siege.aim import WITNESS, WITNESSES, answer_of, request, status_of
from tests.siege.besieged import HOOK, POLL, Besieged

PATIENCE_SECONDS: Final = 30  # a request without an answer for so long is refused
_EVERY_SECONDS: Final = {"mail": 0.08, "readyz": 0.1, "api": 0.13, "sign_in": 0.4}
_FORM: Final = re.compile(rb'name="form" value="([^"]+)"')
_COOKIE: Final = re.compile(rb"mailseal_session=([^;]+)")


@dataclass
class Notes:
    """What the witness got: seconds of each request by kind, and what was refused."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: list[str] = field(default_factory=list)
    own: list[float] = field(default_factory=list)  # of all, without the time that a core was waited for

    @property
    def all(self) -> list[float]:
        """The seconds of all requests, in order."""
        return sorted(each for kind in self.seconds.values() for each in kind)


class Hook:
    """The witness's webhook: a real HTTP endpoint that tells when a message arrived."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)

    async def start(self) -> str:
        """Listen; the URL."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, WITNESS, 0)
        await site.start()
        assert site._server is not None
        return f"http://{WITNESS}:{site._server.sockets[0].getsockname()[1]}/hook"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    def expected(self, message_id: str) -> asyncio.Future[Mapping[str, Any]]:
        """The event of a message, once it has arrived."""
        return self._waiting.setdefault(message_id, asyncio.get_running_loop().create_future())

    async def _take(self, asked: web.BaseRequest) -> web.Response:
        data = json.loads(await asked.read())["data"]
        event = self.expected(data["message_id"])
        if not event.done():
            event.set_result(data)
        return web.Response(status=204)


class Witness:
    """Uses the relay from ``start`` to ``stop``, and keeps notes."""

    def __init__(self, relay: Besieged, hook: Hook) -> None:
        self._relay = relay
        self._hook = hook
        self._epoch: int | None = 0
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()  # webhook calls that are waited for
        self.notes = Notes()

    def start(self) -> None:
        """Begin."""
        self.notes = Notes()
        uses = {"mail": self._mail, "readyz": self._readyz, "api": self._api, "sign_in": self._sign_in}
        self._tasks = [asyncio.create_task(self._use(kind, work)) for kind, work in uses.items()]

    async def stop(self) -> Notes:
        """End after what is under way; the notes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._calls)
        return self.notes

    async def _use(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            doing = asyncio.create_task(self._noted(kind, work))
            try:
                await asyncio.shield(doing)
            except asyncio.CancelledError:
                await doing
                raise
            await asyncio.sleep(max(0.0, _EVERY_SECONDS[kind] - (loop.time() - began)))

    async def _noted(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await work()
        except Exception as error:  # noqa: BLE001 (each is an answer that the witness did not get)
            self.notes.refused.append(f"{kind}: {type(error).__name__} {error}"[:300])

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        """Note the seconds of one request."""
        loop = asyncio.get_running_loop()
        began, waited = loop.time(), self._waited()
        try:
            yield
        finally:
            seconds = loop.time() - began
            self.notes.seconds[kind].append(seconds)
            self.notes.own.append(max(0.0, seconds - (self._waited() - waited)))

    def _waited(self) -> float:
        """Seconds that the relay's main thread and the witness's were ready to run and had no core."""
        return sum(core_waits(pid) for pid in (self._relay.daemon.pid, os.getpid()))

    async def _mail(self) -> None:
        with self._timed("mail"):
            message_id, is_hooked = await self._sent()
        if is_hooked:
            call = asyncio.create_task(self._noted("webhook", lambda: self._called(message_id)))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _sent(self) -> tuple[str, bool]:
        """Send one mail, from connect to the reply 250; the message's id, and whether it goes to the webhook."""
        self._number += 1
        domain = f"w{self._number}.witness.test"
        reader, writer = await asyncio.open_connection(*self._relay.daemon.smtp, local_addr=(self._address(), 0))
        try:
            await _expect(reader, b"220")
            writer.write(f"EHLO {domain}\r\n".encode())
            await _expect(reader, b"250")
            rcpt = HOOK if self._number % 2 else POLL
            writer.write(f"MAIL FROM:<ana@{domain}>\r\nRCPT TO:<{rcpt}>\r\nDATA\r\n".encode())
            for code in (b"250", b"250", b"354"):
                await _expect(reader, code)
            head = f"From: Ana <ana@{domain}>\r\nTo: {rcpt}\r\nSubject: {self._number}\r\n\r\n"
            writer.write(head.encode() + b"Is dinner ready?\r\n" * 20 + b".\r\n")
            said = await _expect(reader, b"250")
        finally:
            writer.transport.abort()
        return said.split()[-1].decode(), rcpt == HOOK

    def _address(self) -> str:
        """One of the addresses of the witness: it makes more connections than one address may."""
        return WITNESSES[self._number % len(WITNESSES)]

    async def _called(self, message_id: str) -> None:
        with self._timed("webhook"):
            event = await self._hook.expected(message_id)
        if not event["authentication"]["verified"]:
            raise ValueError(f"not verified: {event['authentication']}")

    async def _readyz(self) -> None:
        await self._ask("readyz", request("GET", "/readyz"), 200)

    async def _api(self) -> None:
        path = ("/v1/me", f"/v1/agents/{POLL}/messages?limit=5")[self._number % 2]
        await self._ask("api", request("GET", path, key=self._relay.key), 200)

    async def _sign_in(self) -> None:
        if self._epoch is None:
            self._epoch = await asyncio.to_thread(
                self._relay.store.run, lambda tx: sign_in_epoch(tx, self._relay.owner.id)
            )
        epoch, self._epoch = self._epoch, None  # not known while an answer is not
        expires = datetime.now(UTC) + timedelta(minutes=15)
        link = SignInLink(user_id=self._relay.owner.id, nonce=secrets.token_hex(16), expires_at=expires, epoch=epoch)
        path = f"/login/{sign_in_token(link, key=self._relay.master.links)}"
        _, page = await self._ask("sign_in", request("GET", path), 200)
        form = _FORM.search(page)
        assert form is not None
        body = urlencode({"form": form[1].decode()}).encode()
        posted = request("POST", path, body=body, kind="application/x-www-form-urlencoded")
        head, _ = await self._ask("sign_in", posted, 303)
        self._epoch = epoch + 1  # a sign-in ends the user's epoch
        cookie = _COOKIE.search(head)
        assert cookie is not None
        console = b"GET / HTTP/1.1\r\nHost: mx.siege.test\r\nCookie: " + cookie[0] + b"\r\n\r\n"
        await self._ask("sign_in", console, 200)

    async def _ask(self, kind: str, octets: bytes, status: int) -> tuple[bytes, bytes]:
        with self._timed(kind):
            reader, writer = await asyncio.open_connection(*self._relay.daemon.http, local_addr=(self._address(), 0))
            try:
                writer.write(octets)
                head, body = await answer_of(reader)
            finally:
                writer.transport.abort()
        if status_of(head) != status:
            raise ValueError(f"{head[:30]!r} {body[:200]!r}")
        return head, body


async def _expect(reader: asyncio.StreamReader, code: bytes) -> bytes:
    """The last line of the next reply. Raises ValueError for another code, EOFError."""
    while True:
        line = await reader.readuntil(b"\r\n")
        if not line.startswith(code):
            raise ValueError(line.decode("latin-1").strip())
        if line[3:4] == b" ":
            return line
