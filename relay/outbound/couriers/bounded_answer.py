"""Read each answer of a provider within a number of bytes and a time.

`http.client` and `smtplib` wait for each read, and read as many interim answers, lines and chunk extensions as a server
sends: a provider that answers without an end would hold a thread and its memory for good.
"""

import smtplib
import socket
import time
from http.client import HTTPException, HTTPResponse, parse_headers
from io import BufferedReader, RawIOBase
from typing import Any, Final

from relay.metrics import CountBound, uncounted_bound

MAX_HEAD: Final = 64 * 1024  # bytes of an HTTP answer up to the end of its fields, with interim answers
MAX_WIRE: Final = 256 * 1024  # bytes of its body as they arrive, with the sizes and extensions of its chunks
MAX_REPLY: Final = 64 * 1024  # bytes of an SMTP reply
MAX_INTERIM: Final = 20  # interim answers (RFC 9110 §15.2)
_SWITCHING: Final = 101  # a final answer to a client that did not ask for another protocol


class AnswerTooLong(OSError):
    """An answer has more bytes than are read of it."""


class BoundedSocket(RawIOBase):
    """A connection's bytes, of which `allow` says how many are read, and within which time."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._socket = connection
        self._raw = connection.makefile("rb", buffering=0)  # keeps the connection open as long as it is read
        self._left = 0  # bytes
        self._until = 0.0

    def allow(self, most: int, *, seconds: float | None = None) -> None:
        """Let *most* further bytes be read; with *seconds*, also a new time for them."""
        self._left = most
        if seconds is not None:
            self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is, as io.RawIOBase asks."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read into *buffer* what has arrived. Raises AnswerTooLong; TimeoutError after the time."""
        if self._left <= 0:
            raise AnswerTooLong("the answer is too long")
        patience = self._until - time.monotonic()
        if patience <= 0:
            raise TimeoutError("the answer takes too long")
        usual = self._socket.gettimeout()
        self._socket.settimeout(patience)
        try:
            found: int | None = self._raw.readinto(memoryview(buffer)[: self._left])
        finally:
            self._socket.settimeout(usual)
        self._left -= found or 0
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """An HTTP answer, of which a bounded number of bytes and interim answers is read, in the socket's timeout."""

    def __init__(
        self, connection: socket.socket, *options: Any, count: CountBound = uncounted_bound, **more: Any
    ) -> None:
        super().__init__(connection, *options, **more)
        self.fp.close()
        self._source = BoundedSocket(connection)
        self._source.allow(MAX_HEAD, seconds=connection.gettimeout() or 60)
        self.fp = BufferedReader(self._source)
        self._count = count
        self._interim = 0

    def begin(self) -> None:
        """Read the head of the answer. Raises HTTPException, OSError."""
        try:
            super().begin()
        except (AnswerTooLong, HTTPException):
            self._count("ses_answer_head")
            raise
        self._source.allow(MAX_WIRE)

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status // 100 != 1 or status == _SWITCHING:
                return version, status, reason
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise HTTPException(f"more than {MAX_INTERIM} interim answers")
            parse_headers(self.fp)


class BoundedReplies(smtplib.SMTP):
    """An SMTP client of which each reply has at most MAX_REPLY bytes and the socket's timeout, in all its lines."""

    def __init__(self, *options: Any, count: CountBound = uncounted_bound, **more: Any) -> None:
        self._count = count
        self._source: BoundedSocket | None = None
        super().__init__(*options, **more)

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib.SMTP. Raises SMTPServerDisconnected for a reply that is too long or too slow."""
        assert self.sock is not None, "it is connected"
        if self.file is None or self._source is None:
            self._source = BoundedSocket(self.sock)
            self.file = BufferedReader(self._source)
        self._source.allow(MAX_REPLY, seconds=self.sock.gettimeout() or 60)
        try:
            return super().getreply()
        except smtplib.SMTPServerDisconnected as error:
            if isinstance(error.__context__, AnswerTooLong):
                self._count("smarthost_reply")
            raise


class BoundedRepliesOverTls(BoundedReplies, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""
