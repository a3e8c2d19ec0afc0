"""Read and write octets of an SMTP connection, with deadlines."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final

from relay.smtp import replies
from relay.smtp.deadline import Deadline
from relay.smtp.limits import Limits
from relay.smtp.replies import Reply
from relay.smtp.shell import Shell

_LINGER_BYTES: Final = 1024 * 1024


class Phase(Enum):
    """What a connection waits for, which decides how it may be ended."""

    COMMAND = auto()  # the next command
    DATA = auto()  # the octets of a mail
    ASKING = auto()  # the answer of admit
    KEEPING = auto()  # the answer of receive: never interrupted
    WRITING = auto()  # the client, to read its replies; or its own turn
    HANDSHAKE = auto()  # TLS, which has its own timeout
    CLOSING = auto()  # the client, to close


class Interrupted(Exception):
    """Reading must end, with *reply*."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class ClientGone(Exception):
    """The client has disconnected."""


class Wire:
    """A connection's octets in and out.

    Its task is never cancelled while a mail is being stored.
    """

    def __init__(self, shell: Shell, limits: Limits, count: Callable[[int, str | None], None]) -> None:
        """*count* gets the code and the enhanced code of each reply."""
        self._shell = shell
        self._count = count
        self._limits = limits
        self._deadline = Deadline(shell.loop, self._expired, bound=limits.session_seconds)
        self._out: list[bytes] = []
        self._phase = Phase.WRITING
        self._waits_since = 0.0  # when it began to wait for a command, by the loop's clock
        self._timed_out = replies.TIMED_OUT
        self._sent_eof = False
        self.is_cut = False  # the server stops: no octet is read any more

    @property
    def peer_name(self) -> str | None:
        """The peer's address as text; None when the client has disconnected already."""
        name = self._shell.transport.get_extra_info("peername")
        return name[0] if name else None

    @property
    def has_unread(self) -> bool:
        """Whether octets have arrived that were not read yet."""
        return self._shell.has_unread

    def interrupt(self) -> None:
        """End the session with 421 if it waits for a command."""
        if self._phase is Phase.COMMAND:
            self._shell.interrupt(Interrupted(replies.SHUTTING_DOWN))

    def cut(self) -> None:
        """End the session in any phase; while a mail is being stored, end it after that."""
        self.is_cut = True
        if self._phase in {Phase.COMMAND, Phase.DATA}:
            self._shell.interrupt(Interrupted(replies.SHUTTING_DOWN))
        elif self._phase is Phase.ASKING:
            self._shell.cancel()
        elif self._phase is not Phase.KEEPING:
            self._shell.abort()

    def dismiss(self, reply: Reply) -> bool:
        """End the session with *reply*; False while the client waits for an answer of the store."""
        if self._phase in {Phase.ASKING, Phase.KEEPING}:
            return False
        if self._phase in {Phase.COMMAND, Phase.DATA}:
            self._shell.interrupt(Interrupted(reply))
        else:
            self._shell.abort()
        return True

    def hurry(self, seconds: float) -> None:
        """Wait *seconds* in all for the command that the connection waits for."""
        if self._phase is Phase.COMMAND:
            self._deadline.sooner(self._waits_since + seconds)

    def abort(self) -> None:
        """Close the connection at once."""
        self._shell.abort()

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Be in *phase* without a deadline: the client waits for the server."""
        self._deadline.lift()
        self._phase = phase
        try:
            yield
        finally:
            self._phase = Phase.WRITING

    async def read(self, phase: Phase, seconds: float, *, timed_out: Reply = replies.TIMED_OUT) -> bytes:
        """The next octets, after all replies are sent; *timed_out* answers a client that sends none.

        Raises ClientGone, Interrupted or OSError.
        """
        await self.flush()
        if self.is_cut:
            raise Interrupted(replies.SHUTTING_DOWN)
        self._deadline.within(seconds)
        self._phase, self._timed_out, self._waits_since = phase, timed_out, self._shell.loop.time()
        chunk = await self._shell.read()
        self._phase = Phase.WRITING
        if not chunk:
            raise ClientGone
        return chunk

    def say(self, reply: Reply) -> None:
        """Queue *reply*; it is sent before the next read."""
        self._count(reply.code, reply.enhanced)
        self._out.append(reply.wire)

    async def flush(self) -> None:
        """Send all queued replies. Raises ClientGone, OSError."""
        if not self._out:
            return
        self._write_out()
        if self._shell.is_lost:
            raise ClientGone
        self._deadline.within(self._limits.idle_seconds)
        await self._shell.drain()

    async def start_tls(self, context: ssl.SSLContext) -> str | None:
        """Send the queued replies and negotiate TLS; returns its version.

        Raises TlsFailed.
        """
        self._write_out()
        with self.during(Phase.HANDSHAKE):
            await self._shell.start_tls(context, within=self._limits.handshake_seconds)
        return self._shell.tls_version

    async def linger(self) -> None:
        """Wait until the client has read the last reply.

        To close with unread octets would reset the connection, and lose the reply.
        """
        await self.flush()
        if self._shell.transport.can_write_eof():
            self._sent_eof = True
            self._shell.transport.write_eof()
        self._deadline.beyond(self._limits.linger_seconds)
        self._phase = Phase.CLOSING
        left = _LINGER_BYTES
        while left > 0 and (chunk := await self._shell.read()):
            left -= len(chunk)

    def hang_up(self) -> None:
        """Send the queued replies and close the connection."""
        if self._shell.is_lost:
            self._deadline.close()
            return
        self._write_out()
        self._phase = Phase.CLOSING
        # Closing waits until all octets are sent, which a client that does not read can delay for ever.
        self._deadline.beyond(self._limits.linger_seconds)
        self._shell.transport.close()

    def close(self) -> None:
        """Cancel the deadline of a lost connection."""
        self._deadline.close()

    def _write_out(self) -> None:
        gathered = b"".join(self._out)
        self._out.clear()
        # Writing to a lost or half closed transport raises its own errors, or warns.
        if gathered and not self._shell.is_lost and not self._sent_eof and not self._shell.transport.is_closing():
            self._shell.transport.write(gathered)

    def _expired(self) -> None:
        if self._phase in {Phase.COMMAND, Phase.DATA}:
            self._shell.interrupt(Interrupted(self._timed_out))
        else:
            self._shell.abort()
