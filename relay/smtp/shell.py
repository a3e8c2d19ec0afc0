"""aiosmtpd's SMTP class as the shell of a connection: streams, and TLS that comes up over them.

Commands and data are ours. What we lean on is private to aiosmtpd and asyncio, so
``check_shell`` looks at all of it before the door opens.
"""

import ssl
from asyncio import AbstractEventLoop, BaseTransport, StreamReader, StreamReaderProtocol, StreamWriter, Task, sslproto
from collections.abc import Callable
from typing import Any, Final

import aiosmtpd
from aiosmtpd.smtp import SMTP

from relay.errors import Misconfigured
from relay.smtp.tls import SmallTls

_VERSION: Final = "1.4.6"
_READ_BUFFER: Final = 64 * 1024  # octets; reading pauses at twice that
_METHODS: Final = ("_cb_client_connected", "_create_session", "_set_rset_state", "_reset_timeout", "_handle_client")
# What aiosmtpd touches of asyncio's objects when TLS has come up.
_ATTRIBUTES: Final[tuple[tuple[type, str], ...]] = (
    (StreamReader, "_buffer"),
    (StreamReader, "_transport"),
    (StreamWriter, "_transport"),
    (sslproto.SSLProtocol, "_app_transport"),
    (sslproto.SSLProtocol, "_extra"),
)


class TlsFailed(Exception):
    """The handshake came to nothing; the connection is of no more use."""


class Shell(SMTP):
    """A connection without a protocol: ``enter`` lets it in, ``_handle_client`` talks, ``leave`` is the end."""

    # Their meaning is aiosmtpd's.
    _reader: StreamReader
    _writer: StreamWriter
    transport: Any
    _original_transport: Any

    def __init__(self, loop: AbstractEventLoop) -> None:
        # Not SMTP.__init__: it looks through all members of itself, which costs more than a whole mail.
        StreamReaderProtocol.__init__(
            self, StreamReader(limit=_READ_BUFFER, loop=loop), self._cb_client_connected, loop
        )
        self.loop = loop
        self.session = self.envelope = self.transport = None
        self._tls_protocol: sslproto.SSLProtocol | None = None
        self._original_transport = None
        self._handler_coroutine: Task[None] | None = None
        self._handle_hooks: dict[str, Callable[..., Any]] = {}
        self._secured = self._lost = False

    def enter(self) -> bool:
        """Whether the new connection is let in; if not, it has been answered and closed."""
        raise NotImplementedError

    def leave(self) -> None:
        """The connection is lost, and whatever talked over it has ended."""
        raise NotImplementedError

    def connection_made(self, transport: BaseTransport) -> None:
        """A client connects; or TLS is up, and aiosmtpd swaps the transports and drops plaintext (RFC 3207 §4.2)."""
        if self._original_transport is not None:
            self._secured = True
            super().connection_made(transport)
            return
        StreamReaderProtocol.connection_made(self, transport)
        self.transport = transport
        if self.enter():
            self._handler_coroutine = self.loop.create_task(self._handle_client())
            self._handler_coroutine.add_done_callback(self._ended)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. What talks is not cancelled, for it may be keeping a mail; it finds out."""
        if self._lost:
            return
        self._lost = True
        if self._original_transport is not None:
            self._original_transport.close()
        StreamReaderProtocol.connection_lost(self, error)
        if self._handler_coroutine is None or self._handler_coroutine.done():
            self.leave()

    def eof_received(self) -> bool:
        """The client sends no more. In the clear it may still be answered."""
        self._reader.feed_eof()
        return self._tls_protocol is None

    async def start_tls(self, context: ssl.SSLContext, *, within: int) -> None:
        """Bring TLS up in *within* seconds. Raises TlsFailed."""
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
            raise TlsFailed from error
        if not self._secured:
            self._fail(None)
            raise TlsFailed

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, error: Exception | None) -> None:
        # asyncio tells the protocol of a lost connection only once TLS was up.
        self._original_transport.abort()
        self.connection_lost(error)

    def _ended(self, talk: "Task[None]") -> None:
        if self._lost:
            self.leave()
        if not talk.cancelled() and (error := talk.exception()) is not None:
            # A bug of ours, told to the loop now and not when the task is collected.
            self._abort()
            raise error

    def _set_rset_state(self) -> None:
        """Nothing: the standing of a client is kept elsewhere."""

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Nothing: deadlines are kept elsewhere."""


def check_shell(
    version: str = aiosmtpd.__version__,
    *,
    methods: tuple[str, ...] = _METHODS,
    attributes: tuple[tuple[type, str], ...] = _ATTRIBUTES,
) -> None:
    """Raise Misconfigured unless aiosmtpd of *version* and asyncio have what the shell leans on."""
    missing = [f"aiosmtpd.smtp.SMTP.{name}" for name in methods if not hasattr(SMTP, name)]
    missing += [f"{kind.__name__}.{name}" for kind, name in attributes if name not in _names(kind)]
    if version != _VERSION:
        raise Misconfigured(f"the SMTP door needs aiosmtpd {_VERSION} and not {version}")
    if missing:
        raise Misconfigured(f"the SMTP door needs what is not there: {', '.join(missing)}")


def _names(kind: type) -> tuple[str, ...]:
    # Instances get these in __init__, so the class does not have them.
    names: tuple[str, ...] = kind.__init__.__code__.co_names  # type: ignore[misc]
    return names
