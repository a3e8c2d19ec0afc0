"""The asyncio protocol of an SMTP connection: octets in and out, and STARTTLS over them.

What is used of asyncio's TLS is private to it, so ``check_shell`` verifies all of it before the server listens.
"""

import ssl
from asyncio import AbstractEventLoop, BaseTransport, Protocol, sslproto
from collections.abc import Coroutine
from typing import Any, Final
from typing import Protocol as Interface

from relay.errors import Misconfigured
from relay.smtp.stepped import Stepped, parked
from relay.smtp.tls import SmallTls, reason_of

_PAUSE_ABOVE: Final = 128 * 1024  # octets that wait to be read
_ALERT_SECONDS: Final = 2.0  # for a client to read why its handshake failed
# Methods of asyncio's SSLProtocol that SmallTls overrides or calls.
_TLS_METHODS: Final = ("_on_handshake_complete", "_fatal_error", "_process_outgoing")
_TLS_ATTRIBUTES: Final = ("_app_transport", "_transport")


class TlsFailed(Exception):
    """The TLS handshake failed, with the reason as its text; the connection cannot be used any more."""


class SmtpDriver(Interface):
    """The side of a connection that speaks SMTP."""

    def enter(self) -> bool:
        """Whether the new connection is accepted.

        If not, it is answered and closed already.
        """
        ...

    def talk(self) -> Coroutine[object, None, None]:
        """Speak SMTP until the session ends.

        It is no task: what needs one, as asyncio.timeout does, must run in a task that it awaits.
        """
        ...

    def leave(self) -> None:
        """The connection is lost, and ``talk`` has ended."""
        ...


class Shell(Protocol):
    """A connection's transport and the octets not read yet; a driver speaks the protocol over them.

    ``talk`` goes on inside ``data_received``, without a task or a future for each command.
    """

    def __init__(self, loop: AbstractEventLoop, driver: SmtpDriver) -> None:
        self.loop = loop
        self.transport: Any = None
        self.is_lost = False
        self._driver = driver
        self._talk = Stepped(loop, self._ended)
        self._unread: bytes | bytearray = b""
        self._error: Exception | None = None  # reading must end with it
        self._has_ended = False  # the client sends no more
        self._is_paused = False  # no octets are taken from the transport
        self._is_full = False  # the client does not read its replies
        self._tls_protocol: sslproto.SSLProtocol | None = None
        self._original_transport: Any = None
        self._secured = False

    @property
    def has_unread(self) -> bool:
        """Whether octets have arrived that were not read yet."""
        return bool(self._unread)

    @property
    def tls_version(self) -> str | None:
        """The negotiated version, as ``TLSv1.3``; None without TLS."""
        tls = self.transport.get_extra_info("ssl_object")
        return tls.version() if tls is not None else None

    def connection_made(self, transport: BaseTransport) -> None:
        """A client has connected, or TLS is up: octets that came in plain text are dropped (RFC 3207 §4.2)."""
        self.transport = transport
        if self._original_transport is not None:
            self._secured, self._unread = True, b""
        elif self._driver.enter():
            self._talk.start(self._driver.talk())

    def connection_lost(self, error: Exception | None) -> None:
        """The client has disconnected.

        The driver is not cancelled, as it may be storing a mail; it finds out.
        """
        if self.is_lost:
            return
        self.is_lost = self._has_ended = True
        self._error = error or self._error
        if self._original_transport is not None:
            self._original_transport.close()
        if self._talk.is_running:
            self._talk.wake_soon()
        else:
            self._driver.leave()

    def data_received(self, data: bytes) -> None:
        """Octets have arrived: the driver answers them here, unless it waits for something else."""
        if not self._unread:
            self._unread = data
        else:
            if isinstance(self._unread, bytes):
                self._unread = bytearray(self._unread)
            self._unread += data
        self._talk.wake()
        if len(self._unread) > _PAUSE_ABOVE and not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more. Without TLS it can still be answered."""
        self._has_ended = True
        self._talk.wake_soon()
        return self._tls_protocol is None

    def pause_writing(self) -> None:
        """The client does not read what is sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self._is_full = False
        self._talk.wake_soon()

    async def read(self) -> bytes:
        """The octets that have arrived, or the next ones; none after the client's last.

        Raises the reason of ``interrupt``, or why the connection was lost.
        """
        while True:
            if self._error is not None:
                raise self._error
            if self._unread:
                return self._take()
            if self._has_ended:
                return b""
            await parked()

    async def drain(self) -> None:
        """Wait until the client has read most of what was written, or is gone."""
        while self._is_full and not self.is_lost:
            await parked()

    def interrupt(self, reason: Exception) -> None:
        """Raise *reason* in ``read``, now and at each later call."""
        self._error = reason
        self._talk.wake_soon()

    async def start_tls(self, context: ssl.SSLContext, *, within: int) -> None:
        """Negotiate TLS within *within* seconds. Raises TlsFailed."""
        up = self.loop.create_future()
        tls = SmallTls(self.loop, self, context, up, server_side=True, ssl_handshake_timeout=within)
        self._tls_protocol, self._original_transport = tls, self.transport
        self._original_transport.set_protocol(tls)
        self.transport = tls._app_transport  # noqa: SLF001 (check_shell knows it)
        tls.connection_made(self._original_transport)
        try:
            await up
        except OSError as error:
            self._fail(error)
            raise TlsFailed(reason_of(error)) from error
        if not self._secured:
            self._fail(None)
            raise TlsFailed("the client closed the connection")

    def abort(self) -> None:
        """Close the connection at once; octets that were not sent are lost."""
        if self.transport is not None:
            self.transport.abort()

    def cancel(self) -> None:
        """Raise CancelledError in the driver's ``talk``, if it waits for an answer of the store."""
        self._talk.cancel()

    def _take(self) -> bytes:
        octets, self._unread = bytes(self._unread), b""
        if self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()
        return octets

    def _fail(self, error: Exception | None) -> None:
        if isinstance(error, ssl.SSLError):  # SmallTls has written the alert: it is sent before the connection ends
            self.loop.call_later(_ALERT_SECONDS, self._original_transport.abort)
        else:
            self._original_transport.abort()
        # asyncio reports a lost connection to the protocol only after TLS was up.
        self.connection_lost(error)

    def _ended(self, error: BaseException | None) -> None:
        if self.is_lost:
            self._driver.leave()
        if error is not None:  # a bug
            self.abort()
            self.loop.call_exception_handler({"message": "an SMTP session failed", "exception": error})


def check_shell(
    *, tls_methods: tuple[str, ...] = _TLS_METHODS, tls_attributes: tuple[str, ...] = _TLS_ATTRIBUTES
) -> None:
    """Raise Misconfigured unless asyncio's TLS has all private names that are used of it."""
    kind = sslproto.SSLProtocol
    missing = [name for name in tls_methods if not hasattr(kind, name)]
    # Instances get these in __init__, so the class does not have them.
    names: tuple[str, ...] = kind.__init__.__code__.co_names
    missing += [name for name in tls_attributes if name not in names]
    if missing:
        named = ", ".join(f"asyncio.sslproto.SSLProtocol.{name}" for name in missing)
        raise Misconfigured(f"the SMTP server needs names that this Python does not have: {named}")
