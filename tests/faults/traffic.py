"""Clients that do not stop: senders by SMTP, an agent that leases, an agent that writes. A ledger has each reply."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.faults.ledger import LONGEST_SECONDS, HandedOut, Ledger
from tests.faults.places import BOT, HOOK, WRITER, Places

_PATIENCE_SECONDS = 300.0  # for a reply; one that takes longer than the ledger allows is a finding
_AGAIN_SECONDS = 0.05
_LEASE_SECONDS = 8
_EVERY_LONG = 6  # one of so many mails is stored in pieces
_BROKEN = (OSError, EOFError, TimeoutError, aiohttp.ClientError)


class Session:
    """One SMTP session: commands and whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def hear(self) -> str:
        """The last line of the next reply. Raises EOFError, TimeoutError."""
        while True:
            line = await asyncio.wait_for(self._reader.readuntil(b"\n"), _PATIENCE_SECONDS)
            if line[3:4] != b"-":
                return line.decode().rstrip()

    async def ask(self, octets: bytes) -> str:
        self._writer.write(octets)
        return await self.hear()

    async def say(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.transport.abort()


class Traffic:
    """The clients of one run; start() and stop()."""

    def __init__(self, places: Places, ledger: Ledger, dice: Random, *, senders: int = 2) -> None:
        self._places = places
        self._ledger = ledger
        self._dice = dice
        self._numbers = itertools.count(1)
        self._senders = senders
        self._tasks: list[asyncio.Task[None]] = []
        self._ends = asyncio.Event()  # senders and writers stop
        self._http: aiohttp.ClientSession
        self.pace_seconds = 0.02

    def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._places.key}"}, timeout=timeout)
        self._tasks = [asyncio.ensure_future(self._send_on()) for _ in range(self._senders)]
        self._tasks += [asyncio.ensure_future(self._write_on()), asyncio.ensure_future(self._poll_on())]

    async def end_sending(self) -> None:
        """Let each sender and writer finish its mail; the poller goes on."""
        self._ends.set()
        await asyncio.gather(*self._tasks[:-1])

    async def stop(self) -> None:
        self._ends.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    async def _send_on(self) -> None:
        """Send mails one after the other; one that was not answered 250 is sent again with the same bytes."""
        mail: tuple[str, bytes] | None = None
        while mail is not None or not self._ends.is_set():
            daemon = await self._places.any_daemon(self._dice)
            session = None
            try:
                session = await self._connect(daemon.smtp)
                while mail is not None or not self._ends.is_set():
                    mail = mail or self._next_mail()
                    reply = await self._transact(session, daemon, *mail)
                    mail = self._settle(mail, reply)
                    if not reply.startswith("2"):
                        break
                    await asyncio.sleep(self.pace_seconds)  # this is the load, not a wait
            except _BROKEN as error:
                self._ledger.note("smtp", mail[0] if mail else "connection", type(error).__name__)
            finally:
                if session is not None:
                    session.close()
            await asyncio.sleep(_AGAIN_SECONDS)  # as a sender comes again later

    async def _connect(self, address: tuple[str, int]) -> Session:
        session = Session(*await asyncio.open_connection(*address))
        try:
            await session.hear()
            await session.ask(b"EHLO mx.plain.example\r\n")
        except BaseException:
            session.close()
            raise
        return session

    def _next_mail(self) -> tuple[str, bytes]:
        number = next(self._numbers)
        size = 9000 if number % _EVERY_LONG == 0 else 15
        head = b"From: Ana <ana@plain.example>\r\nTo: you\r\nSubject: mail %d\r\n\r\n" % number
        return f"mail {number}", head + b"We lost the game. Are you hungry yet?\r\n" * size

    async def _transact(self, session: Session, daemon: Any, about: str, mail: bytes) -> str:
        """Send one mail; the reply that decided about it."""
        began = time.monotonic()
        at = self._places.at
        commands = [b"MAIL FROM:<ana@plain.example>\r\n", *(b"RCPT TO:<%s>\r\n" % to.encode() for to in (HOOK, BOT))]
        for command in [*commands, b"DATA\r\n"]:
            reply = await session.ask(command)
            if reply[0] not in "23":
                break
            at(f"smtp: {command[:4].decode()} is answered", daemon)
        else:
            await session.say(mail[: len(mail) // 2])
            at("smtp: half of the mail is sent", daemon)
            await session.say(mail[len(mail) // 2 :] + b".\r\n")
            at("smtp: the dot is sent", daemon)
            reply = await session.hear()
            at("smtp: the dot is answered", daemon)
        self._ledger.waited(began, about)
        self._ledger.note("smtp", about, reply)
        return reply

    def _settle(self, mail: tuple[str, bytes], reply: str) -> tuple[str, bytes] | None:
        """Write down what a reply promises; the mail if it has to be sent again."""
        if reply.startswith("2"):
            for message_id in (word for word in reply.split() if word.startswith("msg_")):
                self._ledger.promise(message_id, mail[0])
            return None
        if reply.startswith("5"):
            self._ledger.find("refused", f"{mail[0]}: {reply}")
            return None
        return mail

    async def _call(self, path: str, document: dict[str, Any], daemon: Any, **headers: str) -> tuple[int, Any]:
        """Ask the API; status and answer. Raises what _BROKEN lists."""
        began = time.monotonic()
        url = "http://{}:{}/v1/agents/{}".format(*daemon.http, path)
        async with self._http.post(url, json=document, headers=headers) as response:
            answer = await response.json()
        self._ledger.waited(began, path, most=2 * LONGEST_SECONDS)  # reads, and writes then
        self._ledger.note("http", headers.get("Idempotency-Key", path), str(response.status))
        if response.status == 500 or response.status in {401, 403, 404, 422}:
            self._ledger.find("refused", f"{path}: {response.status} {answer}")
        return response.status, answer

    async def _trying(self, work: Callable[[Any], Awaitable[bool]], about: str) -> bool:
        """Do *work* at any daemon; whether it was done."""
        daemon = await self._places.any_daemon(self._dice)
        try:
            return await work(daemon)
        except _BROKEN as error:
            self._ledger.note("http", about, type(error).__name__)
            return False

    async def _write_on(self) -> None:
        """Have an agent write messages, each with a key of its own until it is answered 202."""
        for number in itertools.count(1):
            if self._ends.is_set():
                return
            write = partial(self._write, number=number)
            while not await self._trying(write, f"send {number}"):  # noqa: ASYNC110 (as a client asks again later)
                await asyncio.sleep(_AGAIN_SECONDS)
            await asyncio.sleep(4 * self.pace_seconds)  # this is the load, not a wait

    async def _write(self, daemon: Any, *, number: int) -> bool:
        body = {"to": [f"reader{number}@outside.example"], "subject": f"send {number}", "text": "hello"}
        self._places.later("http: send is asked", daemon)
        status, answer = await self._call(
            f"{quote(WRITER)}/send", body, daemon, **{"Idempotency-Key": f"send {number}"}
        )
        if status != 202:
            return False
        self._places.at("http: send is answered", daemon)
        self._ledger.promise(answer["message_id"], f"send {number}")
        self._ledger.submitted[answer["message_id"]] = f"send {number}"
        return True

    async def _poll_on(self) -> None:
        while True:
            if not await self._trying(self._poll, "lease"):
                await asyncio.sleep(_AGAIN_SECONDS)  # as a client asks again later

    async def _poll(self, daemon: Any) -> bool:
        """Lease what waits, and acknowledge it."""
        asked = time.monotonic()
        self._places.later("http: lease is asked", daemon)
        document = {"max": 20, "lease_seconds": _LEASE_SECONDS, "wait": 0.5}
        status, answer = await self._call(f"{quote(BOT)}/queue/lease", document, daemon)
        if status != 200:
            return False
        self._places.at("http: lease is answered", daemon)
        items = answer["items"]
        ids = [item["message"]["message_id"] for item in items]
        self._ledger.leases += [HandedOut("", message_id, asked) for message_id in ids]
        if items:
            self._places.later("http: ack is asked", daemon)
            receipts = {"receipts": [item["receipt"] for item in items]}
            status, _ = await self._call(f"{quote(BOT)}/queue/ack", receipts, daemon)
            if status == 200:
                self._places.at("http: ack is answered", daemon)
                self._ledger.acknowledged |= set(ids)
        return True
