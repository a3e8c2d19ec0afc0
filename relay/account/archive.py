"""Read an account export: its listing line by line, and its messages by hash.

The file is untrusted: it may be truncated, made by hand, or a zip bomb.
"""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, Self
from zipfile import BadZipFile, ZipFile

import orjson

from relay.account.export import LISTING
from relay.errors import BadExport

MAX_LINE: Final = 64 * 1024 * 1024  # bytes; the longest lines of an export hold a message's texts
_PART: Final = 512 * 1024
_DAMAGED: Final = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One line of the listing."""

    number: int  # from 1
    kind: str
    values: dict[str, Any]
    size: int  # bytes

    def wrong(self, why: str) -> BadExport:
        """The error to raise about this line."""
        return BadExport(f"{LISTING}, line {self.number}: {why}")


class Archive:
    """An open export file, as a context manager.

    Raises BadExport: not a zip file, or damaged.
    """

    def __init__(self, file: Path) -> None:
        with ExitStack() as opening, _readable(file.name):
            # Opened here, not by ZipFile: an unfinished iteration over the listing would keep ZipFile's own file open.
            self._zip = ZipFile(opening.enter_context(file.open("rb")))
            self._opening = opening.pop_all()
        self._names = set(self._zip.namelist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.close()

    def lines(self) -> Iterator[ArchiveEntry]:
        """The lines of the listing. Raises BadExport, naming the line: unreadable."""
        if LISTING not in self._names:
            raise BadExport(f"the file has no {LISTING}: it is not an account export")
        with self._opened(LISTING) as listing:
            number = 1
            while text := _next_line(listing, number):
                yield _parsed(text, number)
                number += 1

    def mail(self, content: str, size: int) -> Iterator[bytes]:
        """The raw bytes of a message, in parts of at most 512 KiB, checked at the end.

        Raises BadExport: missing, damaged, or another length or SHA-256. The check follows the last part, so use no
        part before the iterator is exhausted.
        """
        name = f"raw/{content}.eml"
        if name not in self._names:
            raise BadExport(f"{name} is missing")
        digest, read = sha256(), 0
        with self._opened(name) as file:
            while part := _read(file, name):
                digest.update(part)
                read += len(part)
                if read > size:
                    break
                yield part
        if read != size or digest.hexdigest() != content:
            raise BadExport(f"{name} was changed: its length or SHA-256 differs")

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        with _readable(name):
            file = self._zip.open(name)
        with file:
            yield file


def _next_line(listing: IO[bytes], number: int) -> bytes:
    with _readable(f"{LISTING}, line {number}"):
        text = listing.readline(MAX_LINE + 1)
    if len(text) > MAX_LINE:
        raise BadExport(f"{LISTING}, line {number}: longer than the limit of {MAX_LINE} bytes")
    return text


def _read(file: IO[bytes], name: str) -> bytes:
    with _readable(name):
        return file.read(_PART)


def _parsed(text: bytes, number: int) -> ArchiveEntry:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadExport(f"{LISTING}, line {number}: not JSON: {error}") from error
    kind = values.pop("record", None) if isinstance(values, dict) else None
    if not isinstance(kind, str):
        raise BadExport(f"{LISTING}, line {number}: not a record")
    return ArchiveEntry(number, kind, values, len(text))


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Name the damaged place in errors of the zip file."""
    try:
        yield
    except _DAMAGED as error:
        raise BadExport(f"{where}: cannot be read: {error or type(error).__name__}") from error
