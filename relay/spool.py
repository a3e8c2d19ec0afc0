"""Buffer the bytes of one incoming mail: in memory, or in a file once large.

The memory of a session stays bounded for a mail of any size (docs/decisions/0004-bytes-apart-from-lists.md).
The file never has a name, so a crash leaves no file behind.
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


def spool_fault(directory: Path) -> str | None:
    """Why no file can be made in *directory*, which is made if it is missing; None if one can."""
    try:
        _make(directory)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        return f"the spool {directory} cannot be written: {error.strerror}"
    return None


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


class Spool:
    """Bytes that are written once and read any number of times.

    A context manager; close it.
    """

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
        """Append *chunk*. Raises SpoolFull when the disk is full or cannot be written."""
        try:
            if not self.on_disk and self.size + len(chunk) > self._above:
                self._move_to_disk()
            self._file.write(chunk)
        except OSError as error:
            raise SpoolFull from error
        self.size += len(chunk)

    def head(self, limit: int = HEAD_LIMIT) -> bytes:
        """The first bytes, at most *limit*: they contain the header section."""
        self._file.seek(0)
        return self._file.read(limit)

    def chunks(self, start: int = 0, size: int = _CHUNK) -> Iterator[bytes]:
        """The bytes from offset *start*, in chunks of *size*. Only one reader at a time."""
        self._file.seek(start)
        while chunk := self._file.read(size):
            yield chunk

    def close(self) -> None:
        """Free the memory or the file."""
        self._file.close()

    def _move_to_disk(self) -> None:
        if self._directory is not None:
            _make(self._directory)
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 (closed by close)
        assert isinstance(self._file, BytesIO)
        file.write(self._file.getbuffer())
        self._file = file
        self.on_disk = True
