"""Write log lines without ever blocking or failing: a line that its reader does not take is dropped and counted.

The log may be a pipe whose reader has ended or is stuck, or a file on a full disk. Mail goes on meanwhile: an error of
the log must not become the answer to a sender, and a full pipe must not stop the event loop.
"""

import os
import select
import threading
from collections.abc import Callable
from typing import Final, TextIO

_PIECE: Final = 4096  # bytes; a pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking
_PATIENCE_MS: Final = 100  # for a reader that is only slow; none while it is stuck

OnResume = Callable[[int], None]
"""Called with the number of lines that were lost, once a line is written again."""


class LogStream:
    """Lines for one stream, from any thread.

    *lost* counts the lines that were not written, or only in part, since the start.
    """

    def __init__(self, stream: TextIO, *, on_resume: OnResume = lambda _: None) -> None:
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        self._on_resume = on_resume
        self._lock = threading.Lock()
        self._untold = 0  # lost since the last line that was written
        self._is_cut = False  # the last line has no end
        self.lost = 0

    def write(self, text: str) -> int:
        """Write *text*, one or more whole lines. Never raises. Returns the length of *text*."""
        with self._lock:
            told = self._attempt(text)
        if told:
            self._on_resume(told)
        return len(text)

    def flush(self) -> None:
        """Does nothing: each line is written at once."""

    def _attempt(self, text: str) -> int:
        """Write or count *text*; the number of lines lost before it, if it was written and some were."""
        try:
            self._put(text)
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.lost += 1
            self._untold += 1
            return 0
        told, self._untold = self._untold, 0
        return told

    def _put(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        rest = memoryview((("\n" if self._is_cut else "") + text).encode("utf-8", "backslashreplace"))
        while rest:
            self._require_writable(self._descriptor)
            written = os.write(self._descriptor, rest[:_PIECE])
            rest = rest[written:]
            self._is_cut = len(rest) > 0

    def _require_writable(self, descriptor: int) -> None:
        """Raise BlockingIOError: a write would block, also after a moment."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(0 if self._untold else _PATIENCE_MS):
            raise BlockingIOError


class LineLogger:
    """What structlog calls with each rendered line."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write *line*."""
        self._stream.write(line + "\n")

    log = debug = info = warn = warning = err = error = critical = exception = fatal = failure = msg


def _descriptor_of(stream: TextIO) -> int | None:
    """The file descriptor of *stream*; None for one in memory."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
