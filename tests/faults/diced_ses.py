"""A provider that takes mail, refuses it, lies about it and hangs up, as seeded dice say; and remembers what it took."""

import asyncio
import base64
import contextlib
import json
from collections import Counter, defaultdict
from email import message_from_bytes
from hashlib import sha256

from tests.outbound.lines import Listening

QUOTA = {"Max24HourSend": -1, "MaxSendRate": 100_000, "SentLast24Hours": 0}
# What it does with a mail, and how often: whether it takes it, and what it says.
WAYS = {
    "takes it and says so": 50,
    "takes it slowly": 8,
    "takes it and hangs up": 8,
    "takes it and hangs up within its answer": 6,
    "takes it and says 500": 4,
    "hangs up before": 8,
    "says 500": 4,
    "throttles": 8,
    "refuses": 4,
}


class DicedSes(Listening):
    """An HTTP server on a free port."""

    def __init__(self, dice) -> None:
        self._dice = dice
        self.taken = defaultdict(list)  # SHA-256 of the bytes of each time, by the message's id
        self.did = Counter()

    async def meet(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while await self._answer(reader, writer):
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, reader, writer) -> bool:
        """Answer one request; whether the line stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if "/v2/email/account" in head:
            writer.write(_written(200, {"SendQuota": QUOTA}))
            return True
        way = self._dice.choices(list(WAYS), list(WAYS.values()))[0]
        self.did[way] += 1
        if way == "hangs up before":
            return False
        lines = [line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line]
        body = await reader.readexactly(int(dict(lines)["content-length"]))
        if way.startswith("takes"):
            self._take(json.loads(body))
        return await self._say(way, writer)

    async def _say(self, way, writer) -> bool:
        if way == "takes it slowly":
            await asyncio.sleep(self._dice.uniform(0.05, 0.8))  # this is the fault, not a wait
        if way in {"takes it and says so", "takes it slowly"}:
            writer.write(_written(200, {"MessageId": f"0100-{sum(self.did.values())}"}))
        elif way == "takes it and hangs up within its answer":
            writer.write(_written(200, {"MessageId": "0100"})[:30])
            await writer.drain()
        elif way == "throttles":
            writer.write(_written(429, {"code": "TooManyRequestsException", "message": "slower"}))
        elif way == "refuses":
            writer.write(_written(400, {"code": "MessageRejected", "message": "no"}))
        elif way.endswith("says 500"):
            writer.write(_written(500, {"code": "InternalFailure", "message": "who knows"}))
        return "hangs up" not in way

    def _take(self, request) -> None:
        raw = base64.b64decode(request["Content"]["Raw"]["Data"])
        self.taken[message_from_bytes(raw)["X-Mailseal-Message-Id"]].append(sha256(raw).hexdigest())


def _written(status, document) -> bytes:
    data = json.dumps(document).encode()
    kind = f"x-amzn-ErrorType: {document['code']}\r\n" if "code" in document else ""
    return f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data
