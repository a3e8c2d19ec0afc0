r"""Extract a mail's octets from the stream of DATA or BDAT. Pure.

Only ``<CRLF>.<CRLF>`` ends DATA. A bare CR, a bare LF or a NUL makes the mail refused but does not end
it: its octets are discarded up to the true end, so no octet of a mail is ever read as a command, and no
mail can be smuggled into another (RFC 5321 §2.3.8, §4.5.2). Scanning uses methods of ``bytes`` for chunks of
any size, and holds back at most four octets between them.
"""

from enum import Enum, auto
from typing import Final

_EOD: Final = b"\r\n.\r\n"


class DataFault(Enum):
    """Why a mail's octets are refused; the first fault found counts."""

    BARE_LINE_END = auto()
    NUL = auto()
    LINE_TOO_LONG = auto()
    TOO_LARGE = auto()


class Content:
    """Checks a mail's octets in pieces. A piece never ends between CR and LF."""

    def __init__(self, *, max_bytes: int, max_line: int) -> None:
        self._max_bytes = max_bytes
        self._max_line = max_line
        self._line = 0  # octets of the unfinished line
        self.size = 0  # octets seen
        self.fault: DataFault | None = None

    def take(self, piece: bytes) -> bytes:
        """*piece* when it is valid; empty after a fault."""
        if self.fault or not piece:
            return b""
        self.size += len(piece)
        self.fault = self._judge(piece)
        return b"" if self.fault else piece

    def _judge(self, piece: bytes) -> DataFault | None:
        ends = piece.count(b"\r\n")
        if piece.count(b"\n") != ends or piece.count(b"\r") != ends:
            return DataFault.BARE_LINE_END
        if b"\0" in piece:
            return DataFault.NUL
        if self._has_long_line(piece):
            return DataFault.LINE_TOO_LONG
        return DataFault.TOO_LARGE if self.size > self._max_bytes else None

    def _has_long_line(self, piece: bytes) -> bool:
        start, left = 0, self._max_line - self._line
        # Find the last line end within the limit: two steps advance by a line's limit at least, so this is linear.
        while len(piece) - start > left:
            end = piece.rfind(b"\r\n", start, start + left + 2)
            if end < 0:
                return True
            start, left = end + 2, self._max_line
        last = piece.rfind(b"\r\n", start)
        self._line = len(piece) - last - 2 if last >= 0 else self._max_line - left + len(piece) - start
        return False


class DotReceiver:
    """Receives a mail by DATA: removes dot-stuffing, finds its end.

    RFC 5321 §4.5.2.
    """

    def __init__(self, *, max_bytes: int, max_line: int) -> None:
        self._content = Content(max_bytes=max_bytes, max_line=max_line)
        # A mail begins at the start of a line, so a first dot counts as a dot after CRLF.
        self._held = b"\r\n"
        self._virtual = 2  # octets of _held that the client did not send
        self._tail = b""  # the last octets before _held
        self.done = False
        self.smuggles = False  # a bare line end next to a dot was seen: end the session after the reply
        self.rest = b""  # octets after the end: the client's next commands

    @property
    def fault(self) -> DataFault | None:
        """Why the mail is refused, or None. Final once ``done``."""
        return self._content.fault

    def feed(self, chunk: bytes) -> bytes:
        """The octets of the mail that *chunk* completes. Must not be called once ``done``."""
        stream = self._held + chunk
        end = stream.find(_EOD)
        if end >= 0:
            self.done, self._held, self.rest = True, b"", stream[end + 5 :]
            return self._take(stream[: end + 2])
        cut = len(stream) - _overlap(stream)
        self._held = stream[cut:]
        return self._take(stream[:cut]) if cut else b""

    def _take(self, raw: bytes) -> bytes:
        clean = self._clean(raw)
        if self._content.fault and not self.smuggles:
            self.smuggles = has_fake_end(self._tail + raw)
        self._tail = raw[-2:]
        return clean

    def _clean(self, piece: bytes) -> bytes:
        if self._content.fault:
            return b""
        if b"\r\n." in piece:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if self._virtual:
            piece, self._virtual = piece[2:], 0
        return self._content.take(piece)


class BdatReceiver:
    """Receives a mail by BDAT: its chunks, by their declared size (RFC 3030 §2)."""

    def __init__(self, *, max_bytes: int, max_line: int) -> None:
        self._content = Content(max_bytes=max_bytes, max_line=max_line)
        self._held = b""  # a CR whose LF may be the first octet of the next piece or chunk
        self._due = 0
        self._last = False
        self.smuggles = False  # a dot is no end in BDAT
        self.rest = b""  # octets after the chunk: the client's next commands

    @property
    def fault(self) -> DataFault | None:
        """Why the mail is refused, or None. Final once the last chunk is complete."""
        return self._content.fault

    @property
    def done(self) -> bool:
        """Whether the chunk is complete."""
        return not self._due

    def begin(self, size: int, *, last: bool) -> None:
        """Begin a chunk of *size* octets."""
        self._due, self._last, self.rest = size, last, b""

    def feed(self, chunk: bytes) -> bytes:
        """The octets of the mail that *chunk* completes.

        Feed ``b""`` for a chunk of no octets.
        """
        mine, self.rest = chunk[: self._due], chunk[self._due :]
        self._due -= len(mine)
        piece = self._held + mine
        self._held = b""
        if piece.endswith(b"\r") and not (self._last and self.done):
            piece, self._held = piece[:-1], b"\r"
        return self._content.take(piece)


def has_fake_end(octets: bytes) -> bool:
    """Whether a bare line end is next to a dot: what another server may read as the end of the mail."""
    # Searches of bytes are many times faster than an expression, and each octet of a refused mail is searched.
    if b"." not in octets:
        return False
    if b".\n" in octets or b"\r." in octets:
        return True
    if octets.count(b"\n.") != octets.count(b"\r\n."):
        return True
    return octets.count(b".\r") - octets.endswith(b".\r") != octets.count(b".\r\n")


def _overlap(stream: bytes) -> int:
    # The number of octets at the end of the stream that may begin the end of data.
    return next((size for size in (4, 3, 2, 1) if stream.endswith(_EOD[:size])), 0)
