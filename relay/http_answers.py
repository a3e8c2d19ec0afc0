"""An HTTP client connector that reads an answer's head by bytes, before the HTTP parser sees it.

A server chooses what it answers. aiohttp makes an object of each interim (1xx) answer, without a bound, and refuses
an answer as a whole when one field of its head is not to its liking. Here at most 64 KiB and 20 interim answers are
read before the final status line and 64 KiB of fields behind it, interim answers are dropped, the status is noted as
soon as its line has arrived, and what follows a complete answer is dropped with the connection. RFC 9112 §4, §2.2.

It replaces the connector's protocol class, which is a private attribute of aiohttp; `check_aiohttp` says whether that
still exists.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

MAX_HEAD: Final = 64 * 1024  # bytes, each: before the final status line, and from it to the end of the fields
MAX_INTERIM: Final = 20  # interim answers
_CHUNKED: Final = re.compile(rb"\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_PIECE: Final = 4096  # bytes given to the parser at once, so that little is parsed behind the end of an answer
_SWITCHING: Final = 101  # a final answer, though its number is that of an interim one (RFC 9110 §15.2.2)
_LINE: Final = re.compile(rb"HTTP/1\.[0-9] +([1-5][0-9]{2})(?![0-9])[^\n]*\n")
_PREFIX: Final = b"HTTP/1."
_END: Final = re.compile(rb"\n\r?\n")

Count = Callable[[str], None]
"""Called with the name of a bound that an answer reached."""

_noted: ContextVar["Noted | None"] = ContextVar("noted", default=None)


class _HeadTooLong(HttpProcessingError):
    """The head of an answer has more bytes, or more interim answers before it, than are read."""


class Noted:
    """What is known of the answer to one request, also when the answer could not be parsed."""

    def __init__(self) -> None:
        self.handler: AnswerHandler | None = None

    @property
    def status(self) -> int | None:
        """Status of the final answer; None if its status line has not arrived."""
        return self.handler.status if self.handler is not None else None


@contextmanager
def noting() -> Iterator[Noted]:
    """Note the answer to the request that is made inside, in this task, by a `BoundedSession`."""
    noted = Noted()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


class AnswerHandler(ResponseHandler):
    """The client's end of one connection: bounds and notes the head of each answer."""

    def __init__(self, loop: Any, count: Count, chunked_bytes: int | None) -> None:
        super().__init__(loop)
        self._count = count
        self._chunked_bytes = chunked_bytes  # that are read of a chunked body, with the sizes of its chunks
        self._left: int | None = None  # of them
        self._head = bytearray()
        self._scanned = 0
        self._spent = 0  # bytes of interim answers
        self._interim = 0
        self._in_body = False
        self.status: int | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin a request: called by the session before it sends one."""
        self._head.clear()
        self._scanned = self._spent = self._interim = 0
        self._in_body = False
        self.status = None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if self._parser is None or not data:
            super().data_received(data)
        elif self._in_body:
            self._pass_on(data)
        else:
            self.start_timeout()
            self._head += data
            try:
                end = self._end_of_head()
            except HttpProcessingError as error:
                self._break(error)
                return
            if end:
                head, rest = bytes(self._head[:end]), bytes(self._head[end:])
                self._head.clear()
                self._in_body = True
                self._left = self._chunked_bytes if _CHUNKED.search(head) else None
                super().data_received(head)
                self._pass_on(rest)

    def _pass_on(self, data: bytes) -> None:
        """Give *data* to the parser up to the end of the answer; what is behind it costs the connection."""
        for start in range(0, len(data), _PIECE):
            if self._is_complete():
                self.force_close()
                return
            piece = data[start : start + _PIECE]
            if self._left is not None:
                self._left -= len(piece)
                if self._left < 0:  # each chunk costs the same, whether it has one byte or thousands
                    self._count("webhook_answer_body")
                    self._break(HttpProcessingError(message="the chunked body of the answer is too long"))
                    return
            super().data_received(piece)

    def _is_complete(self) -> bool:
        return self._exception is not None or (not self._upgraded and (self._payload is None or self._payload.is_eof()))

    def _end_of_head(self) -> int:
        """Length of the final answer's head, without interim answers; 0 as long as it is not complete.

        Raises HttpProcessingError: not HTTP, or a bound is passed.
        """
        while True:
            status = self._read_status()
            if status is None:
                return 0
            is_interim = status // 100 == 1 and status != _SWITCHING
            if not is_interim:
                self.status = status
            found = _END.search(self._head, max(0, self._scanned - 2))
            if found is None:
                self._scanned = len(self._head)
                self._require(len(self._head) + (self._spent if is_interim else 0))
                return 0
            if not is_interim:
                self._require(found.end())
                return found.end()
            self._drop_interim(found.end())

    def _drop_interim(self, size: int) -> None:
        self._interim += 1
        self._spent += size
        self._scanned = 0
        del self._head[:size]
        self._require(self._spent)
        if self._interim > MAX_INTERIM:
            raise _HeadTooLong(message="more than 20 interim answers")

    def _read_status(self) -> int | None:
        """The number in the status line; None as long as the line is not complete."""
        line = _LINE.match(self._head)
        if line is not None:
            return int(line[1])
        if b"\n" in self._head or not _PREFIX.startswith(self._head[: len(_PREFIX)]):
            raise HttpProcessingError(message="the answer does not begin with an HTTP status line")
        self._require(self._spent + len(self._head))
        return None

    def _require(self, size: int) -> None:
        if size > MAX_HEAD:
            raise _HeadTooLong(message="the head of the answer is too long")

    def _break(self, error: HttpProcessingError) -> None:
        if isinstance(error, _HeadTooLong):
            self._count("webhook_answer_head")
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(error)


class _NotedResponse(aiohttp.ClientResponse):
    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        noted = _noted.get()
        if noted is not None and isinstance(connection.protocol, AnswerHandler):
            noted.handler = connection.protocol
        return await super().start(connection)


def bounded_session(
    connector: aiohttp.TCPConnector | None = None,
    *,
    count: Count = lambda _: None,
    chunked_bytes: int | None = None,
    **options: Any,
) -> aiohttp.ClientSession:
    """A session whose answers are bounded, for the running loop; *options* are those of aiohttp.ClientSession.

    *chunked_bytes*: a chunked body with more bytes on the wire is broken off, after its status was noted.
    """
    check_aiohttp()
    connector = connector or aiohttp.TCPConnector()
    loop = connector._loop  # noqa: SLF001
    factory: Any = partial(AnswerHandler, loop=loop, count=count, chunked_bytes=chunked_bytes)
    connector._factory = factory  # noqa: SLF001
    return aiohttp.ClientSession(
        connector=connector,
        response_class=_NotedResponse,
        max_line_size=MAX_HEAD,
        max_field_size=MAX_HEAD,
        **options,
    )


def check_aiohttp() -> None:
    """Raise RuntimeError if this aiohttp lacks a private part that is used here."""
    for name in ("data_received", "set_response_params", "start_timeout"):
        if not hasattr(ResponseHandler, name):
            raise RuntimeError(f"aiohttp {aiohttp.__version__} has no ResponseHandler.{name}: install another version")
