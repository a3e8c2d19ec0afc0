"""A provider that takes every mail at once: ``python -m tests.bench.provider HTTP_PORT SMTP_PORT``.

By HTTP it is as much of SES v2 as sending needs: SendEmail is answered with an id, GetAccount with quotas that bound
nothing. By SMTP it is a smarthost without TLS. ``GET /count`` answers how many mails it has taken by either.
"""

import asyncio
import json
import sys
from typing import Final

import uvloop

from tests.bench.sink import Hook, Record

_QUOTA: Final = {"Max24HourSend": -1, "MaxSendRate": 1e9, "SentLast24Hours": 0}
_ACCOUNT: Final = json.dumps({"SendQuota": _QUOTA, "SendingEnabled": True, "ProductionAccessEnabled": True}).encode()


class Taken:
    """How many mails were taken."""

    def __init__(self) -> None:
        self.count = 0

    def one_more(self) -> int:
        """Its number."""
        self.count += 1
        return self.count


class Ses(Hook):
    """One kept connection of the API's."""

    def __init__(self, taken: Taken) -> None:
        super().__init__(Record())
        self._taken = taken

    def _answer(self, head: bytes) -> bytes:
        if head.startswith(b"post /v2/email/outbound-emails "):
            return b'{"MessageId":"0100bench-%d-000000"}' % self._taken.one_more()
        if head.startswith(b"get /v2/email/account "):
            return _ACCOUNT
        return str(self._taken.count).encode()


class Smarthost(asyncio.Protocol):
    """One session: every command is right, and every mail."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._buffer = bytearray()
        self._is_mail = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.write(b"220 smarthost.bench.example\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n.\r\n" if self._is_mail else b"\r\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + (5 if self._is_mail else 2)]
            self._transport.write(self._taken_answer() if self._is_mail else self._command_answer(line[:4].upper()))

    def _taken_answer(self) -> bytes:
        self._is_mail = False
        return b"250 2.0.0 Ok: queued as BENCH%d\r\n" % self._taken.one_more()

    def _command_answer(self, verb: bytes) -> bytes:
        self._is_mail = verb == b"DATA"
        return {b"DATA": b"354 Go on\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}.get(verb, b"250 2.0.0 Ok\r\n")


async def serve(http_port: int, smtp_port: int) -> None:
    """Listen on 127.0.0.1 until cancelled."""
    taken, loop = Taken(), asyncio.get_running_loop()
    await loop.create_server(lambda: Smarthost(taken), "127.0.0.1", smtp_port, backlog=512)
    server = await loop.create_server(lambda: Ses(taken), "127.0.0.1", http_port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
