"""An account's export, opened to be read: its listing line by line, and its mails, each checked by its hash.

Nothing in it is believed: it may be cut off, made by hand, or packed to fill a disk.
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

MAX_LINE: Final = 64 * 1024 * 1024  # bytes; the longest that an export has is a message's texts
_PART: Final = 512 * 1024
_DAMAGED: Final = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One thing of the listing."""

    number: int  # from 1
    kind: str
    values: dict[str, Any]
    size: int  # bytes

    def wrong(self, why: str) -> BadExport:
        """What to raise about it."""
        return BadExport(f"{LISTING}, line {self.number}: {why}")


class Archive:
    """An open export. It is a context manager. Raises BadExport for what is none."""

    def __init__(self, file: Path) -> None:
        with ExitStack() as opening, _readable(file.name):
            # A file of our own: whoever stops in the middle of the listing would keep the zip's open.
            self._zip = ZipFile(opening.enter_context(file.open("rb")))
            self._opening = opening.pop_all()
        self._names = set(self._zip.namelist())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.close()

    def lines(self) -> Iterator[ArchiveEntry]:
        """The listing from its beginning. Raises BadExport, naming the line, when one cannot be read."""
        if LISTING not in self._names:
            raise BadExport(f"there is no {LISTING} in it: not an account's export")
        with self._opened(LISTING) as listing:
            number = 1
            while text := _next_line(listing, number):
                yield _parsed(text, number)
                number += 1

    def mail(self, content: str, size: int) -> Iterator[bytes]:
        """The bytes of a mail in parts of 512 KiB, of which the last tells whether they are what they are called.

        Raises BadExport: missing, damaged, of another length, or with another SHA-256. So read to the end before
        believing any of it.
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
            raise BadExport(f"{name} is not what it was: its length or SHA-256 differs")

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
        raise BadExport(f"{LISTING}, line {number}: longer than any that an export has")
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
    """Say of a damaged file where it is damaged."""
    try:
        yield
    except _DAMAGED as error:
        raise BadExport(f"{where}: cannot be read: {error or type(error).__name__}") from error
