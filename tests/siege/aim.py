"""What an attacker is told of the relay that it attacks, and the tools that all attacks share."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

WITNESS: Final = "127.0.0.2"
WITNESSES: Final = tuple(f"127.0.0.{at}" for at in range(2, 12))  # the well-behaved client's; all others attack
FAILURES: Final = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)
_GROWTH_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.005  # after a failure: a client that is refused needs some time to come again

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """The relay's addresses, and what one attacker has there: a user of its own with keys, a domain and agents."""

    smtp: tuple[str, int]
    http: tuple[str, int]
    network: int  # the attacker's addresses are 127.NETWORK.0.1 and following
    seconds: float
    key: str  # with all scopes
    keys: list[str]  # with the scope `read`
    domain: str
    agent: str  # polls
    victim: str  # the e-mail address of another user
    done: Counter[str] = field(default_factory=Counter)  # what the attacker did

    def address(self, number: int) -> str:
        """One of the attacker's addresses."""
        return f"127.{self.network}.{number // 250}.{number % 250 + 1}"

    async def smtp_connection(self, number: int = 0) -> Connection:
        """A new connection to the SMTP server from an address."""
        self.done["connections"] += 1
        return await asyncio.open_connection(*self.smtp, local_addr=(self.address(number), 0))

    async def http_connection(self, number: int = 0) -> Connection:
        """A new connection to the HTTP server from an address."""
        self.done["connections"] += 1
        return await asyncio.open_connection(*self.http, local_addr=(self.address(number), 0))

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self) | {"done": {}})

    @classmethod
    def from_json(cls, text: str) -> "Aim":
        """What to_json made."""
        given = json.loads(text) | {"done": Counter()}
        return cls(**given | {"smtp": tuple(given["smtp"]), "http": tuple(given["http"])})


async def swarm(aim: Aim, work: Callable[[int], Awaitable[object]], workers: int) -> None:
    """Do *work* again and again, of *workers* that all have begun after a second, for as long as the attack lasts."""
    with suppress(TimeoutError):
        async with asyncio.timeout(aim.seconds):
            await asyncio.gather(*(_again(aim, work, number, workers) for number in range(workers)))


async def _again(aim: Aim, work: Callable[[int], Awaitable[object]], number: int, workers: int) -> None:
    await asyncio.sleep(_GROWTH_SECONDS * number / workers)
    while True:
        try:
            await work(number)
        except FAILURES:
            aim.done["broken"] += 1
            await asyncio.sleep(_PAUSE_SECONDS)


async def held(aim: Aim, opened: Callable[[int], Awaitable[Connection]], number: int, octets: bytes = b"") -> None:
    """Open a connection, send *octets*, and keep it until the relay closes it."""
    reader, writer = await opened(number)
    try:
        writer.write(octets)
        while await reader.read(65_536):
            pass
        aim.done["closed"] += 1
    finally:
        writer.transport.abort()


class Smtp:
    """One SMTP session of an attacker."""

    def __init__(self, aim: Aim, connection: Connection) -> None:
        self._aim = aim
        self.reader, self.writer = connection

    @classmethod
    async def begun(cls, aim: Aim, number: int = 0) -> "Smtp":
        """A session after EHLO. Raises OSError, EOFError."""
        session = cls(aim, await aim.smtp_connection(number))
        await session.reply()
        await session.say(b"EHLO attacker.test\r\n")
        return session

    async def say(self, octets: bytes) -> bytes:
        """Send a command; its reply."""
        self.writer.write(octets)
        return await self.reply()

    async def reply(self) -> bytes:
        """The last line of the next reply."""
        while True:
            line = await self.reader.readuntil(b"\r\n")
            if line[3:4] == b" ":
                self._aim.done[line[:3].decode("latin-1")] += 1
                return line

    async def envelope(self, sender: str = "", recipient: str = "") -> bytes:
        """Begin a mail up to the reply to DATA."""
        self.writer.write(
            f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient or self._aim.agent}>\r\nDATA\r\n".encode(),
        )
        await self.reply()
        await self.reply()
        return await self.reply()

    async def send(self, mail: bytes, *, sender: str = "x@attacker.test", recipient: str = "") -> bytes:
        """A whole mail; its reply."""
        answer = await self.envelope(sender, recipient)
        if not answer.startswith(b"354"):
            return answer
        self.writer.write(mail + b"\r\n.\r\n")
        await self.writer.drain()
        return await self.reply()

    def close(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()


async def mails(aim: Aim, made: Iterable[bytes], number: int, **envelope: str) -> None:
    """Send the mails in one session after the other, until each was sent."""
    session = await Smtp.begun(aim, number)
    try:
        for mail in made:
            answer = await session.send(mail, **envelope)
            aim.done["mails"] += 1
            if answer.startswith(b"421"):
                return
    finally:
        session.close()


def request(
    method: str,
    path: str,
    *,
    key: str = "",
    body: bytes = b"",
    length: int | None = None,
    kind: str = "application/json",
) -> bytes:
    """The octets of an HTTP request; *length* is the declared one of a body that comes later."""
    lines = [f"{method} {path} HTTP/1.1", "Host: mx.siege.test"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body or length is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return head, await reader.readexactly(int(fields.get(b"content-length", b"0")))


def status_of(head: bytes) -> int:
    """The status in the head of an answer."""
    return int(head.split(b" ", 2)[1])


async def ask(aim: Aim, octets: bytes, number: int = 0) -> tuple[int, bytes]:
    """Ask on a connection of its own; status and body."""
    reader, writer = await aim.http_connection(number)
    try:
        writer.write(octets)
        head, body = await answer_of(reader)
        aim.done[str(status_of(head))] += 1
        return status_of(head), body
    finally:
        writer.transport.abort()


async def new_agent(aim: Aim, name: str, webhook: str | None = None) -> str:
    """Make an agent of the attacker; its address."""
    address = f"{name}@{aim.domain}"
    document: Mapping[str, Any] = {"address": address, "mode": "webhook" if webhook else "poll"}
    if webhook:
        document = {**document, "webhook_url": webhook}
    status, body = await ask(aim, request("POST", "/v1/agents", key=aim.key, body=json.dumps(document).encode()))
    if status != 201:
        raise RuntimeError(f"no agent {address}: {status} {body[:300]!r}")
    return address


def in_base64(octets: bytes) -> bytes:
    """*octets* in lines of base64 with CRLF."""
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")
