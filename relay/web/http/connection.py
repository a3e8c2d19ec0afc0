"""One HTTP connection: uvicorn's, with an end to waiting for a client and to heads without end.

uvicorn bounds how long a connection may be idle between requests, and nothing else. Here a request
must arrive within its time, a client must take its answer, a head is bounded, and what is no HTTP is
answered with a problem like everything else.
"""

import asyncio
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
from relay.web.http.limits import MAX_HEAD, ApiLimits

_ENOUGH: Final = 262_144  # bytes: a body that brings as many in its time is given that time again
_LINGER_SECONDS: Final = 2.0
_KINDS: Final = {431: HEAD_TOO_LARGE}


class _Reader(h11.Connection):
    """Remembers what status its last error deserves: uvicorn does not hand the error on."""

    hint = 400

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError."""
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.hint = error.error_status_hint
            raise


class HttpConnection(H11Protocol):
    """A client, from its first byte to its last."""

    limits: ApiLimits
    base_url: str  # where the relay's links begin; "" makes a problem's type a relative reference

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.conn = self._reader = _Reader(h11.SERVER, MAX_HEAD)
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._arrived = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or send it off where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._refuse(TOO_MANY_CONNECTIONS, linger=False)
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._give_up(self._arriving)
        self._give_up(self._leaving)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, in parts: h11 bounds a head only while it is not whole."""
        if self._refused:
            return
        if self.conn.their_state is h11.IDLE and not self._has_begun():
            self._expect()
        self._arrived += len(data)
        for start in range(0, len(data), MAX_HEAD):
            if self._refused or self.transport.is_closing():
                return
            super().data_received(data[start : start + MAX_HEAD])
        self._look_whether_whole()

    def on_response_complete(self) -> None:
        """The answer is given: see that it is taken, and whether another request has begun behind it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._insist()
            return
        if self.conn.their_state is h11.IDLE and self._has_begun():
            self._unset_keepalive_if_required()
            self._expect()

    def pause_writing(self) -> None:
        """The client is behind: see that it goes on taking."""
        super().pause_writing()
        self._insist()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._give_up(self._leaving)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and see that what was written last is taken."""
        super().timeout_keep_alive_handler()
        self._insist()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(_KINDS.get(self._reader.hint, BAD_REQUEST))

    def _expect(self) -> None:
        """A request must arrive in its time."""
        self._give_up(self._arriving)
        self._arrived = 0
        self._arriving = self.loop.call_later(self.limits.request_seconds, self._be_late)

    def _look_whether_whole(self) -> None:
        """Stop the clock of a request that is here, however long its answer takes."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._give_up(self._arriving)

    def _has_begun(self) -> bool:
        """Whether a part of a head is here."""
        return bool(self.conn.trailing_data[0])

    def _be_late(self) -> None:
        if self.conn.our_state is h11.SEND_RESPONSE and self._arrived >= _ENOUGH:
            self._expect()
        elif self.conn.their_state is h11.SEND_BODY or self._has_begun():
            self._refuse(REQUEST_TIMEOUT)
        else:
            self.transport.abort()  # it never said a word

    def _refuse(self, kind: Kind, *, linger: bool = True) -> None:
        """Answer out of turn, where an answer can still be given, and close."""
        self._refused = True
        self._give_up(self._arriving)
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._write(early_problem(kind, base_url=self.base_url, headers={"Connection": "close"}))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if linger and self.transport.can_write_eof():
            # Closing with bytes of theirs unread would take our answer away from them too.
            self.transport.write_eof()
            self._give_up(self._leaving)
            self._leaving = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()
            self._insist()

    def _write(self, answer: Response) -> None:
        was_head = self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers)
        for event in (head, h11.Data(data=b"" if was_head else bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _insist(self, before: int | None = None) -> None:
        """Leave a client who takes nothing of what is written to it."""
        self._give_up(self._leaving)
        left = self.transport.get_write_buffer_size()
        if before is not None and left >= before:
            self.transport.abort()
        elif left:
            self._leaving = self.loop.call_later(self.limits.request_seconds, self._insist, left)

    @staticmethod
    def _give_up(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def connections_within(limits: ApiLimits, *, base_url: str) -> type[HttpConnection]:
    """The class of connections that uvicorn makes, bounded by *limits*."""

    class Bounded(HttpConnection):
        pass

    Bounded.limits = limits
    Bounded.base_url = base_url
    return Bounded
