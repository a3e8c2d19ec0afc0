"""The asyncio protocol of an SMTP connection: streams, and STARTTLS over them.

Commands and data are parsed by this package and not by aiosmtpd. What is used of aiosmtpd and asyncio is
private to them, so ``check_shell`` verifies all of it before the server listens.
"""

import ssl
from asyncio import AbstractEventLoop, BaseTransport, StreamReader, StreamReaderProtocol, StreamWriter, Task, sslproto
from collections.abc import Callable
from typing import Any, Final, Protocol

import aiosmtpd
from aiosmtpd.smtp import SMTP

from relay.errors import Misconfigured
from relay.smtp.tls import SmallTls, reason_of

_VERSION: Final = "1.4.6"
_READ_BUFFER: Final = 64 * 1024  # octets; reading pauses at twice that
_ALERT_SECONDS: Final = 2.0  # for a client to read why its handshake failed
# Methods of asyncio's SSLProtocol that SmallTls overrides or calls.
_TLS_METHODS: Final = ("_on_handshake_complete", "_fatal_error", "_process_outgoing")
_METHODS: Final = ("_cb_client_connected", "_create_session", "_set_rset_state", "_reset_timeout")
# Attributes of asyncio's objects that aiosmtpd uses once TLS is up.
_ATTRIBUTES: Final[tuple[tuple[type, str], ...]] = (
    (StreamReader, "_buffer"),
    (StreamReader, "_transport"),
    (StreamWriter, "_transport"),
    (sslproto.SSLProtocol, "_app_transport"),
    (sslproto.SSLProtocol, "_extra"),
    (sslproto.SSLProtocol, "_transport"),
)


class TlsFailed(Exception):
    """The TLS handshake failed, with the reason as its text; the connection cannot be used any more."""


class SmtpDriver(Protocol):
    """The side of a connection that speaks SMTP."""

    def enter(self) -> bool:
        """Whether the new connection is accepted.

        If not, it is answered and closed already.
        """
        ...

    async def talk(self) -> None:
        """Speak SMTP until the session ends."""
        ...

    def leave(self) -> None:
        """The connection is lost, and ``talk`` has ended."""
        ...


class Shell(SMTP):
    """A connection's transport and streams; a driver speaks the protocol over them."""

    # Set by aiosmtpd.
    _reader: StreamReader
    _writer: StreamWriter
    transport: Any
    _original_transport: Any

    def __init__(self, loop: AbstractEventLoop, driver: SmtpDriver) -> None:
        # Not SMTP.__init__: it inspects all its members, which costs more than receiving a mail.
        StreamReaderProtocol.__init__(
            self, StreamReader(limit=_READ_BUFFER, loop=loop), self._cb_client_connected, loop
        )
        self.loop = loop
        self.session = self.envelope = self.transport = None
        self.is_lost = False
        self._driver = driver
        self._tls_protocol: sslproto.SSLProtocol | None = None
        self._original_transport = None
        self._handler_coroutine: Task[None] | None = None
        self._handle_hooks: dict[str, Callable[..., Any]] = {}
        self._secured = False

    @property
    def reader(self) -> StreamReader:
        """Octets from the client."""
        return self._reader

    @property
    def writer(self) -> StreamWriter:
        """Octets to the client."""
        return self._writer

    @property
    def tls_version(self) -> str | None:
        """The negotiated version, as ``TLSv1.3``; None without TLS."""
        tls = self.transport.get_extra_info("ssl_object")
        return tls.version() if tls is not None else None

    def connection_made(self, transport: BaseTransport) -> None:
        """A client has connected, or TLS is up.

        Once TLS is up, aiosmtpd swaps the transports and drops plaintext (RFC 3207 §4.2).
        """
        if self._original_transport is not None:
            self._secured = True
            super().connection_made(transport)
            return
        StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        if self._driver.enter():
            self._handler_coroutine = self.loop.create_task(self._driver.talk())
            self._handler_coroutine.add_done_callback(self._ended)

    def connection_lost(self, error: Exception | None) -> None:
        """The client has disconnected.

        The driver is not cancelled, as it may be storing a mail; it finds out.
        """
        if self.is_lost:
            return
        self.is_lost = True
        if self._original_transport is not None:
            self._original_transport.close()
        StreamReaderProtocol.connection_lost(self, error)
        if self._handler_coroutine is None or self._handler_coroutine.done():
            self._driver.leave()

    def eof_received(self) -> bool:
        """The client sends no more. Without TLS it can still be answered."""
        self._reader.feed_eof()
        return self._tls_protocol is None

    async def start_tls(self, context: ssl.SSLContext, *, within: int) -> None:
        """Negotiate TLS within *within* seconds. Raises TlsFailed."""
        up = self.loop.create_future()
        tls = SmallTls(self.loop, self, context, up, server_side=True, ssl_handshake_timeout=within)
        self._tls_protocol, self._original_transport = tls, self.transport
        self._original_transport.set_protocol(tls)
        self.transport = tls._app_transport  # noqa: SLF001
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
        """Cancel the driver's ``talk``."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    def _fail(self, error: Exception | None) -> None:
        if isinstance(error, ssl.SSLError):  # SmallTls has written the alert: it is sent before the connection ends
            self.loop.call_later(_ALERT_SECONDS, self._original_transport.abort)
        else:
            self._original_transport.abort()
        # asyncio reports a lost connection to the protocol only after TLS was up.
        self.connection_lost(error)

    def _ended(self, talk: "Task[None]") -> None:
        if self.is_lost:
            self._driver.leave()
        if not talk.cancelled() and (error := talk.exception()) is not None:
            # A bug: reported to the loop now, not when the task is garbage collected.
            self.abort()
            raise error

    def _set_rset_state(self) -> None:
        """Do nothing: relay/smtp/session.py holds the state of a session."""

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Do nothing: relay/smtp/deadline.py holds the deadline."""


def check_shell(
    version: str = aiosmtpd.__version__,
    *,
    methods: tuple[str, ...] = _METHODS,
    tls_methods: tuple[str, ...] = _TLS_METHODS,
    attributes: tuple[tuple[type, str], ...] = _ATTRIBUTES,
) -> None:
    """Raise Misconfigured unless aiosmtpd is as tested.

    It must have the tested *version*, and all private names must exist.
    """
    missing = [f"aiosmtpd.smtp.SMTP.{name}" for name in methods if not hasattr(SMTP, name)]
    missing += [f"asyncio's SSLProtocol.{name}" for name in tls_methods if not hasattr(sslproto.SSLProtocol, name)]
    missing += [f"{kind.__name__}.{name}" for kind, name in attributes if name not in _names(kind)]
    if version != _VERSION:
        raise Misconfigured(
            f"the SMTP server needs aiosmtpd {_VERSION} and not {version}: install aiosmtpd=={_VERSION}"
        )
    if missing:
        raise Misconfigured(
            f"the SMTP server needs names that this aiosmtpd or Python does not have: {', '.join(missing)}"
        )


def _names(kind: type) -> tuple[str, ...]:
    # Instances get these in __init__, so the class does not have them.
    names: tuple[str, ...] = kind.__init__.__code__.co_names  # type: ignore[misc]
    return names
