"""Export a user's account as one zip file, streamed with bounded memory.

``account.jsonl`` has one line per object (``{"record": …, …}``), the header first; ``raw/SHA256.eml`` are the
messages, byte for byte, each content once. The export is a snapshot of one moment.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import orjson

from relay.clock import rfc3339
from store.engine import Store
from store.mail.bodies import read_chunk
from store.transaction import Tx
from store.upkeep.export import export_user_data

LISTING: Final = "account.jsonl"
_PART_BYTES: Final = 64 * 1024  # minimum size in bytes of a part


class _Pipe:
    """The output file of the zip: buffers what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes) -> int:
        """Buffer *data*."""
        self._parts.append(bytes(data))
        self.waiting += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the buffer is read with take()."""

    def take(self) -> bytes:
        """Return and clear the buffer."""
        whole = b"".join(self._parts)
        self._parts.clear()
        self.waiting = 0
        return whole


def export_account(store: Store, user_id: str, *, now: datetime) -> Iterator[bytes]:
    """The bytes of the zip file, in parts. Raises UserNotFound, Unavailable."""
    pipe = _Pipe()
    with store.snapshot() as tx, ZipFile(pipe, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        contents: set[bytes] = set()
        for _ in _write_listing(tx, archive, user_id, contents, now=now):
            yield from _parts(pipe)
        for sha256 in sorted(contents):
            _write_mail(tx, archive, sha256.hex())
            yield from _parts(pipe)
    yield pipe.take()


def _parts(pipe: _Pipe) -> Iterator[bytes]:
    if pipe.waiting >= _PART_BYTES:
        yield pipe.take()


def _write_listing(tx: Tx, archive: ZipFile, user_id: str, contents: set[bytes], *, now: datetime) -> Iterator[None]:
    """Write one line per object, and collect the SHA-256 of each message content."""
    with archive.open(LISTING, "w", force_zip64=True) as listing:
        for item in export_user_data(tx, user_id, now=now):
            listing.write(_line(item.kind, item.values))
            sha256 = item.values.get("raw_sha256") if item.kind == "message" else None
            if sha256 is not None:
                contents.add(bytes.fromhex(sha256))  # half the memory of the hexadecimal text
            yield


def _write_mail(tx: Tx, archive: ZipFile, sha256: str) -> None:
    with archive.open(f"raw/{sha256}.eml", "w") as mail:
        number = 0
        while (part := read_chunk(tx, sha256, number)) is not None:
            mail.write(part)
            number += 1


def _line(kind: str, values: Any) -> bytes:
    line = orjson.dumps({"record": kind, **values}, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return line + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
