"""The I/O half of a connection: reads under deadlines, gathers replies, hangs up so that they are read."""

from asyncio import AbstractEventLoop
from enum import Enum, auto
from typing import Final

from relay.smtp import replies
from relay.smtp.deadline import Deadline
from relay.smtp.limits import Limits
from relay.smtp.replies import Reply
from relay.smtp.shell import Shell

_READ: Final = 64 * 1024
_LINGER_BYTES: Final = 1024 * 1024


class Phase(Enum):
    """What a connection is at, which decides how it may be ended."""

    COMMAND = auto()  # waits for a command
    DATA = auto()  # waits for a mail's octets
    ASKING = auto()  # waits for admit
    KEEPING = auto()  # waits for receive: not to be touched
    WRITING = auto()  # waits for the client to read, or for its own turn
    HANDSHAKE = auto()  # bounded by TLS itself
    CLOSING = auto()


class Interrupted(Exception):
    """Reading has to end, with *reply*."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class ClientGone(Exception):
    """The client has left."""


class Wire(Shell):
    """Octets in and out. Its task is never cancelled while a mail is being kept."""

    def __init__(self, loop: AbstractEventLoop, limits: Limits) -> None:
        super().__init__(loop)
        self._limits = limits
        self._deadline = Deadline(loop, self._expired, bound=limits.session_seconds)
        self._out: list[bytes] = []
        self._phase = Phase.WRITING
        self._sent_eof = False
        self._cutting = False  # no more reading, for the door stops

    def interrupt(self) -> None:
        """End the session with 421 if it only waits for a command."""
        if self._phase is Phase.COMMAND:
            self._reader.set_exception(Interrupted(replies.SHUTTING_DOWN))

    def cut(self) -> None:
        """End the session whatever it is at, unless a mail is being kept: it then ends behind that."""
        self._cutting = True
        if self._phase in {Phase.COMMAND, Phase.DATA}:
            self._reader.set_exception(Interrupted(replies.SHUTTING_DOWN))
        elif self._phase is Phase.ASKING and self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        elif self._phase is not Phase.KEEPING:
            self._abort()

    async def _read(self, phase: Phase, seconds: float) -> bytes:
        """Some octets, after all replies were sent. Raises Gone, Interrupted or OSError."""
        await self._flush()
        if self._cutting:
            raise Interrupted(replies.SHUTTING_DOWN)
        self._deadline.within(seconds)
        self._phase = phase
        chunk = await self._reader.read(_READ)
        self._phase = Phase.WRITING
        if not chunk:
            raise ClientGone
        return chunk

    def _say(self, reply: Reply) -> None:
        self._out.append(reply.wire)

    async def _flush(self) -> None:
        if not self._out:
            return
        self._write_out()
        if self._lost:
            raise ClientGone
        self._deadline.within(self._limits.idle_seconds)
        await self._writer.drain()

    def _write_out(self) -> None:
        gathered = b"".join(self._out)
        self._out.clear()
        # A transport that was lost or half closed raises errors of its own kind, or warns.
        if gathered and not self._lost and not self._sent_eof and not self.transport.is_closing():
            self._writer.write(gathered)

    async def _linger(self) -> None:
        """Let the client read what it was told last: to close on octets that were not read resets the connection."""
        await self._flush()
        if self.transport.can_write_eof():
            self._sent_eof = True
            self.transport.write_eof()
        self._deadline.beyond(self._limits.linger_seconds)
        self._phase = Phase.CLOSING
        left = _LINGER_BYTES
        while left > 0 and (chunk := await self._reader.read(_READ)):
            left -= len(chunk)

    def _hang_up(self) -> None:
        if self._lost:
            self._deadline.close()
            return
        self._write_out()
        self._phase = Phase.CLOSING
        # Closing waits until all is written, which a client that does not read can hold up for ever.
        self._deadline.beyond(self._limits.linger_seconds)
        self._writer.close()

    def _expired(self) -> None:
        if self._phase in {Phase.COMMAND, Phase.DATA}:
            self._reader.set_exception(Interrupted(replies.TIMED_OUT))
        else:
            self._abort()
