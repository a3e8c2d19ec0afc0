"""Split the stream into command lines (RFC 5321 §2.3.8). Pure.

Linear in the octets of a chunk.
"""

from typing import Final

from relay.smtp.replies import BAD_LINE_END, LINE_TOO_LONG, NOT_SMTP, Reply

# Octets with which a line may start and still become a command, or an empty line.
_HARMLESS: Final = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))


class Lines:
    """Octets that were read and not consumed yet."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line  # octets with CRLF
        self._bytes = b""
        self._at = 0

    def feed(self, chunk: bytes) -> None:
        """Append *chunk*."""
        self._bytes = self._bytes[self._at :] + chunk if self._at < len(self._bytes) else chunk
        self._at = 0

    @property
    def has_rest(self) -> bool:
        """Whether octets are left that were read and not consumed."""
        return self._at < len(self._bytes)

    def take(self) -> bytes:
        """All octets, consumed: the octets after DATA or BDAT are not command lines."""
        rest, self._bytes = self._bytes[self._at :], b""
        self._at = 0
        return rest

    def next(self) -> bytes | Reply | None:
        """The next line without its CRLF; None when no line is complete yet.

        Returns a Reply when the octets can never become a command line. It ends the connection, because the
        octets after them cannot be split into lines any more.
        """
        end = self._bytes.find(b"\n", self._at)
        if end < 0:
            return self._judge_part()
        if end - self._at >= self._max_line:
            return LINE_TOO_LONG
        line = self._bytes[self._at : end - 1]
        if self._bytes[end - 1 : end] != b"\r" or end == self._at or b"\r" in line:
            return BAD_LINE_END
        self._at = end + 1
        return line

    def _judge_part(self) -> Reply | None:
        part = len(self._bytes) - self._at
        # A TLS ClientHello has no line end: without this check its client would wait until the deadline.
        if part and self._bytes[self._at] not in _HARMLESS:
            return NOT_SMTP
        return LINE_TOO_LONG if part >= self._max_line else None
