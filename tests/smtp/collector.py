"""Stand-ins for admit and receive behind the SMTP server, and a client that speaks octets."""

import asyncio
from asyncio import Event
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from relay.errors import UnknownRecipient
from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.spool import Spool
from store.records.mail import Recipient


class MailCollector:
    """Admits all recipients but those that begin with "nobody", and remembers every mail."""

    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, bytes]] = []
        self.spools: list[Spool] = []
        self.asked: list[str] = []
        self.admit_error: Exception | None = None
        self.receive_error: Exception | None = None
        self.receiving = Event()
        self.admitting = Event()
        self.may_receive = Event()
        self.may_admit = Event()
        self.may_receive.set()
        self.may_admit.set()

    async def admit(self, address: Address) -> Recipient:
        self.asked.append(str(address))
        self.admitting.set()
        await self.may_admit.wait()
        if self.admit_error is not None:
            raise self.admit_error
        if address.local.startswith("nobody"):
            raise UnknownRecipient
        return Recipient(address=address.mailbox, on_unverified="deliver", key_id="key_1", sealed=b"")

    async def receive(self, envelope: Envelope, spool: Spool, agents: Sequence[Recipient]) -> Sequence[str]:
        assert [each.mailbox for each in envelope.rcpt_to] == [agent.address for agent in agents]
        self.spools.append(spool)
        self.receiving.set()
        await self.may_receive.wait()
        if self.receive_error is not None:
            raise self.receive_error
        self.mails.append((envelope, b"".join(spool.chunks())))
        return [f"msg_{len(self.mails)}{'abcdefghij'[at % 10]}" for at in range(len(envelope.rcpt_to))]


class Client:
    """Sends what it is told and reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> Self:
        return cls(*await asyncio.open_connection(*address))

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self) -> str:
        lines = []
        while True:
            async with asyncio.timeout(10):
                line = (await self.reader.readline()).decode()
            lines.append(line.removesuffix("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, text: str) -> str:
        self.send(text.encode() + b"\r\n")
        return await self.reply()

    async def greet(self, name: str = "client.example") -> None:
        await self.reply()
        await self.say(f"EHLO {name}")

    async def begin(self, recipient: str = "bot@here.example") -> None:
        """Everything up to 354."""
        await self.greet()
        await self.say("MAIL FROM:<ana@there.example>")
        await self.say(f"RCPT TO:<{recipient}>")
        assert (await self.say("DATA")).startswith("354 ")

    async def start_mail(self, command: str, octets: bytes) -> None:
        """A mail by DATA or BDAT up to its first *octets*, after greet."""
        self.send(f"MAIL FROM:<>\r\nRCPT TO:<bot@here.example>\r\n{command}\r\n".encode())
        expected = ["250", "250", "354"] if command == "DATA" else ["250", "250"]
        assert expected == [(await self.reply())[:3] for _ in expected]
        self.send(octets)

    async def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()
