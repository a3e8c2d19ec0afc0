"""A smarthost that counts each mail it took, and as seeded dice say is slow, busy, or hangs up after the dot."""

import asyncio
import contextlib
from collections.abc import Callable
from email import message_from_bytes
from random import Random

from tests.faults.ledger import Ledger
from tests.outbound.lines import Listening, smarthost_settings

WAYS = {"takes it": 80, "takes it slowly": 6, "takes it and hangs up": 6, "is busy": 6, "refuses": 2}
_GREETED = b"250 host.example\r\n"


class Provider(Listening):
    """``async with Provider(...) as provider``: listens on a free port of 127.0.0.1."""

    def __init__(self, ledger: Ledger, dice: Random, *, at: Callable[[str], None]) -> None:
        """*at* is told of each step of a hand-over."""
        self._ledger = ledger
        self._dice = dice
        self._at = at

    @property
    def settings(self) -> dict[str, str]:
        """How a relay sends through here."""
        return smarthost_settings(self.port)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.write(b"220 host.example\r\n")
            while (line := await reader.readline()).endswith(b"\r\n"):
                if not await self._answer(line[:4].upper().rstrip(), reader, writer):
                    break
        self.tasks.discard(task)
        writer.close()

    async def _answer(self, verb: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one command; whether the session goes on."""
        if verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            return False
        if verb != b"DATA":
            if verb == b"MAIL":
                self._at("provider: MAIL came")
            writer.write(_GREETED)
            return True
        self._at("provider: DATA came")
        writer.write(b"354 go on\r\n")
        raw = await reader.readuntil(b"\r\n.\r\n")
        return await self._decide(str(message_from_bytes(raw)["X-Mailseal-Message-Id"]), writer)

    async def _decide(self, message_id: str, writer: asyncio.StreamWriter) -> bool:
        way = self._dice.choices(list(WAYS), list(WAYS.values()))[0]
        self._ledger.note("provider", message_id, way)
        if way == "is busy":
            writer.write(b"451 4.3.2 later\r\n")
            return True
        if way == "refuses":
            writer.write(b"554 5.7.1 no\r\n")
            return True
        self._ledger.taken[message_id] += 1
        self._at("provider: the dot came")
        if way == "takes it and hangs up":
            return False
        if way == "takes it slowly":
            await asyncio.sleep(self._dice.uniform(0.05, 0.5))  # this is the fault, not a wait
        writer.write(b"250 2.0.0 Ok: queued as Q1\r\n")
        await writer.drain()
        self._at("provider: 250 is sent")
        return True
