"""Server-Sent Events out of the bytes of a stream (WHATWG HTML §9.2.6). Pure.

``retry`` is left to browsers: how long to wait before coming back is the listener's own to say.
What is not ended by a blank line when the stream breaks off is no event, so that whoever comes back
with the last id gets it whole.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 64 * 1024 * 1024  # bytes; an event has some two million at most
_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


class LineTooLong(Exception):
    """A line without an end: this is no stream of events."""


@dataclass(frozen=True, slots=True)
class ResumeMark:
    """A place to go on from, told without an event."""

    id: str


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event of a stream."""

    id: str | None  # where to go on, as last said by the stream; None where it has said nothing
    type: str
    data: str


@dataclass(slots=True)
class Parser:
    """Takes bytes as they come and gives events as they end."""

    last_id: str | None = None  # of what was given last
    _rest: bytes = b""
    _began: bool = False
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def feed(self, part: bytes) -> Iterator[SseEvent | ResumeMark]:
        """The events and marks that end in *part*. Raises TooLong."""
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
                break  # its line feed may be still to come
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
