"""Parser of Server-Sent Events (WHATWG HTML §9.2.6); no I/O.

``retry`` is ignored: the listener has its own delays. An event that is not ended by a blank line when the
stream breaks is dropped, so that a reconnect with the last id gets it complete.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 64 * 1024 * 1024  # bytes; an event has about two million at most
_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class LineTooLong(Exception):
    """A line longer than MAX_LINE: not an event stream."""


@dataclass(frozen=True, slots=True)
class ResumeMark:
    """An id to resume from, sent without an event."""

    id: str


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event of a stream."""

    id: str | None  # last id sent by the stream; None before the first
    type: str
    data: str


@dataclass(slots=True)
class Parser:
    """Incremental parser: takes bytes and yields complete events."""

    last_id: str | None = None  # id of the last event or mark
    _rest: bytes = b""
    _began: bool = False
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def feed(self, part: bytes) -> Iterator[SseEvent | ResumeMark]:
        """The events and marks completed by *part*. Raises LineTooLong."""
        for line in self._lines(part):
            if line:
                self._take(line.decode("utf-8", "replace"))
            elif (ended := self._ended()) is not None:
                yield ended

    def _lines(self, part: bytes) -> Iterator[bytes]:
        text = self._rest + part
        if not self._began and len(text) < len(_BOM) and _BOM.startswith(text):
            self._rest = text
            return
        text, self._began = text if self._began else text.removeprefix(_BOM), True
        start = 0
        for end in _END.finditer(text):
            if end[0] == b"\r" and end.end() == len(text):
                break  # the line feed may follow in the next part
            yield text[start : end.start()]
            start = end.end()
        self._rest = text[start:]
        if len(self._rest) > MAX_LINE:
            raise LineTooLong

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value

    def _ended(self) -> SseEvent | ResumeMark | None:
        type_, lines, marked = self._type or "message", self._data, self._id
        self._type, self._data, self._id = "", [], None
        if marked is not None:
            self.last_id = marked
        if lines:
            return SseEvent(self.last_id, type_, "\n".join(lines))
        return None if marked is None else ResumeMark(marked)
