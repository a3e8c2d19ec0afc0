"""HTTP connection with request timeouts, write timeouts and a header size limit.

uvicorn limits only the idle time between requests. This class adds: a time limit for receiving a
request, a limit for a client that does not read its response, a size limit for the request head,
and a problem document as the response to malformed HTTP.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.web.answers.problems import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    REQUEST_TIMEOUT,
    TOO_MANY_CONNECTIONS,
    Kind,
    early_problem,
)
from relay.web.http.joined_writes import JoinedWrites
from relay.web.http.limits import MAX_HEAD, ApiLimits
from relay.web.http.peers import TrustedProxies, peer_name
from relay.web.http.pool import ConnectionPhase, ConnectionPool

_PROGRESS_BYTES: Final = 262_144  # a body that brings this many bytes within the time limit gets the limit again
_LINGER_SECONDS: Final = 2.0
_KINDS: Final = {431: HEAD_TOO_LARGE}
_BOUNDS: Final = {HEAD_TOO_LARGE: "http_head_bytes", REQUEST_TIMEOUT: "http_time"}


class _Reader(h11.Connection):
    """Remembers the status of the last protocol error, which uvicorn drops."""

    hint = 400

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError."""
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.hint = error.error_status_hint
            raise


class HttpConnection(H11Protocol):
    """One connection, from accept to close."""

    limits: ApiLimits
    pool: ConnectionPool
    proxies: TrustedProxies
    base_url: str  # base URL of links; with "" the type of a problem is a relative reference

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.conn = self._reader = _Reader(h11.SERVER, MAX_HEAD)
        self._request_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._rejected = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or reject it if there are too many."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        if self.pool.admit(self, peer_name(self.client), is_proxy=self.proxies.trusts(self.client)):
            self._start_request_timer()
        else:
            self._reject(TOO_MANY_CONNECTIONS, linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timers and leave the pool."""
        self.pool.leave(self)
        self._cancel(self._request_timer)
        self._cancel(self._close_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed *data* to h11 in pieces, because h11 limits only incomplete heads."""
        if self._rejected:
            return
        if self.conn.their_state is h11.IDLE and not self._has_partial_head():
            self._start_request_timer()
        self._received += len(data)
        for start in range(0, len(data), MAX_HEAD):
            if self._rejected or self.transport.is_closing():
                return
            super().data_received(data[start : start + MAX_HEAD])
        self._stop_request_timer_if_complete()
        self._note_phase()

    def on_response_complete(self) -> None:
        """Start the write timer, or the timer of a pipelined request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._require_reading()
            return
        if self.conn.their_state is h11.IDLE and self._has_partial_head():
            self._unset_keepalive_if_required()
            self._start_request_timer()
        self._note_phase()

    def pause_writing(self) -> None:
        """The client reads too slowly: start the write timer."""
        super().pause_writing()
        self._require_reading()

    def resume_writing(self) -> None:
        """The client reads again: stop the write timer."""
        super().resume_writing()
        self._cancel(self._close_timer)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and start the write timer for unsent bytes."""
        super().timeout_keep_alive_handler()
        self._require_reading()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP with a problem document."""
        del msg
        self._reject(_KINDS.get(self._reader.hint, BAD_REQUEST))

    def drop(self) -> None:
        """Close the connection in favour of another one."""
        if self.conn.our_state is h11.SEND_RESPONSE:
            self._reject(TOO_MANY_CONNECTIONS, linger=False)
        else:
            self.transport.abort()

    def _note_phase(self) -> None:
        """Tell the pool what this connection does now."""
        if self.conn.their_state is h11.SEND_BODY:
            self.pool.enter(self, ConnectionPhase.BODY)
        elif self.conn.their_state is not h11.IDLE:
            self.pool.enter(self, ConnectionPhase.ANSWER)
        elif self.cycle is None or self._has_partial_head():
            self.pool.enter(self, ConnectionPhase.HEAD)
        else:
            self.pool.enter(self, ConnectionPhase.IDLE)

    def _start_request_timer(self) -> None:
        """Start the time limit for receiving a request."""
        self._cancel(self._request_timer)
        self._received = 0
        self._request_timer = self.loop.call_later(self.limits.request_seconds, self._on_request_timeout)

    def _stop_request_timer_if_complete(self) -> None:
        """Stop the time limit once the request is complete; its response may take longer."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._cancel(self._request_timer)

    def _has_partial_head(self) -> bool:
        """Whether part of a request head was received."""
        return bool(self.conn.trailing_data[0])

    def _on_request_timeout(self) -> None:
        if self.conn.our_state is h11.SEND_RESPONSE and self._received >= _PROGRESS_BYTES:
            self._start_request_timer()
        elif self.conn.their_state is h11.SEND_BODY or self._has_partial_head():
            self._reject(REQUEST_TIMEOUT)
        else:
            self.pool.count(_BOUNDS[REQUEST_TIMEOUT])
            self.transport.abort()  # the client sent no request

    def _reject(self, kind: Kind, *, linger: bool = True) -> None:
        """Send a problem document if a response is still possible, then close."""
        self._rejected = True
        self._cancel(self._request_timer)
        if kind in _BOUNDS:
            self.pool.count(_BOUNDS[kind])
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._write(early_problem(kind, base_url=self.base_url, headers={"Connection": "close"}))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if linger and self.transport.can_write_eof():
            # Closing with unread input resets the connection, and the client would lose the response.
            self.transport.write_eof()
            self._cancel(self._close_timer)
            self._close_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()
            self._require_reading()

    def _write(self, answer: Response) -> None:
        was_head = self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
        reason = HTTPStatus(answer.status_code).phrase.encode("ascii")
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=reason)
        for event in (head, h11.Data(data=b"" if was_head else bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _require_reading(self, before: int | None = None) -> None:
        """Abort the connection if the client reads no bytes within the time limit."""
        self._cancel(self._close_timer)
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            self.transport.abort()
        elif left:
            self._close_timer = self.loop.call_later(self.limits.request_seconds, self._require_reading, left)

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def connection_class(
    limits: ApiLimits, pool: ConnectionPool, proxies: TrustedProxies, *, base_url: str
) -> type[HttpConnection]:
    """The connection class for uvicorn, with *limits*; its connections share *pool*."""

    class LimitedConnection(HttpConnection):
        pass

    LimitedConnection.limits = limits
    LimitedConnection.pool = pool
    LimitedConnection.proxies = proxies
    LimitedConnection.base_url = base_url
    return LimitedConnection
