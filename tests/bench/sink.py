"""The agents' end: an HTTP/1.1 server that takes every webhook and notes when. ``python -m tests.bench.sink PORT``.

Hand-written because it shares the machine with what it measures: it finds the end of a request, reads two headers
and answers 200. ``GET /count`` answers how many messages came; ``GET /report`` the whole record as JSON.
"""

import asyncio
import json
import re
import sys
import time
from typing import Final

import uvloop

_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)")
_MESSAGE: Final = re.compile(rb"\r\nmailseal-message-id: *(\S+)")
_VERIFIED: Final = re.compile(rb"\r\nmailseal-verified: *true")


class Record:
    """What came: the first time of each message id, on the machine's monotonic clock, in nanoseconds."""

    def __init__(self) -> None:
        self.arrivals: dict[str, int] = {}
        self.verified = 0
        self.again = 0
        self.strange = 0  # requests without a message id

    def note(self, head: bytes) -> None:
        """One request has come in whole; *head* is its lower-case header section."""
        found = _MESSAGE.search(head)
        if found is None:
            self.strange += 1
            return
        name = found[1].decode("ascii", "replace")
        if name in self.arrivals:
            self.again += 1
            return
        self.arrivals[name] = time.monotonic_ns()
        self.verified += _VERIFIED.search(head) is not None


class Hook(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        """Answer one request if it is whole; whether it was."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return False
        del self._buffer[:whole]
        body = self._answer(head)
        self._transport.write(_OK % (len(body), body))
        return True

    def _answer(self, head: bytes) -> bytes:
        if head.startswith(b"get /count "):
            return str(len(self._record.arrivals)).encode()
        if head.startswith(b"get /report "):
            return json.dumps(vars(self._record)).encode()
        self._record.note(head)
        return b""


async def serve(port: int) -> None:
    """Listen on 127.0.0.1 until cancelled."""
    record = Record()
    server = await asyncio.get_running_loop().create_server(lambda: Hook(record), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
