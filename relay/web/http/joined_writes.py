"""A transport that joins the head and the body of a response into one write.

uvicorn writes them one after the other, and each write is a call of the system and a packet.
"""

import asyncio
from typing import Any, Final

_MOST: Final = 16_384  # bytes that wait for more: to join longer ones would cost more than a call


class JoinedWrites:
    """Writes in the same turn of the loop leave together; all else is that of the *transport*."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send *data* at the end of this turn, or now when it is long."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._flush()

    def close(self) -> None:
        """Close the connection once all bytes are sent."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Send no more after the bytes that were written."""
        self._flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        """The number of bytes that were written and not sent yet."""
        return self._size + self._transport.get_write_buffer_size()

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held, self._size = self._held, [], 0
        if not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
