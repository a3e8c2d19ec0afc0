"""The bytes of one mail while it arrives: in memory while small, in a file once large.

A session's memory stays bounded whatever a stranger sends (house, decision 4). The file has
no name from its first moment, so a crash leaves nothing to clean up.
"""

import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Final, Self

from relay.errors import SpoolFull

SPOOL_ABOVE: Final = 256 * 1024
HEAD_LIMIT: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024


class Spool:
    """Bytes written once and then read as often as needed. Close it; it is a context manager."""

    def __init__(self, directory: Path | None = None, *, above: int = SPOOL_ABOVE) -> None:
        self._directory = directory
        self._above = above
        self._file: IO[bytes] = BytesIO()
        self.size = 0  # bytes
        self.on_disk = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """Append *chunk*. Raises SpoolFull when the disk has no room (or cannot be written)."""
        try:
            if not self.on_disk and self.size + len(chunk) > self._above:
                self._move_to_disk()
            self._file.write(chunk)
        except OSError as error:
            raise SpoolFull from error
        self.size += len(chunk)

    def head(self, limit: int = HEAD_LIMIT) -> bytes:
        """The first *limit* bytes at most: where the header section is."""
        self._file.seek(0)
        return self._file.read(limit)

    def chunks(self, start: int = 0, size: int = _CHUNK) -> Iterator[bytes]:
        """The bytes from *start* on, *size* at a time. One reader at a time."""
        self._file.seek(start)
        while chunk := self._file.read(size):
            yield chunk

    def close(self) -> None:
        """Let the bytes go."""
        self._file.close()

    def _move_to_disk(self) -> None:
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 (closed by close)
        assert isinstance(self._file, BytesIO)
        file.write(self._file.getbuffer())
        self._file = file
        self.on_disk = True
