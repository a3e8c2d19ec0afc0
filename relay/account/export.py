"""A user's account as one zip file, written while it is read: so many mails, no more memory.

``account.jsonl`` has a line for each thing (``{"record": …, …}``), the header first; ``raw/SHA256.eml`` are the
mails, byte for byte, each content once. All of it is of one moment.
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
_HANDED_ON: Final = 64 * 1024  # bytes that are worth handing on


class _Pipe:
    """What the zip is written to: kept until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.waiting = 0

    def write(self, data: bytes) -> int:
        """Keep *data*."""
        self._parts.append(bytes(data))
        self.waiting += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """Everything since the last time."""
        whole = b"".join(self._parts)
        self._parts.clear()
        self.waiting = 0
        return whole


def export_account(store: Store, user_id: str, *, now: datetime) -> Iterator[bytes]:
    """The parts of the zip, to be written one after the other. Raises UserNotFound, Unavailable."""
    pipe = _Pipe()
    with store.snapshot() as tx, ZipFile(pipe, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        contents: set[bytes] = set()
        for _ in _write_listing(tx, archive, user_id, contents, now=now):
            yield from _handed_on(pipe)
        for sha256 in sorted(contents):
            _write_mail(tx, archive, sha256.hex())
            yield from _handed_on(pipe)
    yield pipe.take()


def _handed_on(pipe: _Pipe) -> Iterator[bytes]:
    if pipe.waiting >= _HANDED_ON:
        yield pipe.take()


def _write_listing(tx: Tx, archive: ZipFile, user_id: str, contents: set[bytes], *, now: datetime) -> Iterator[None]:
    """Write a line a thing, and note which mails there are."""
    with archive.open(LISTING, "w", force_zip64=True) as listing:
        for thing in export_user_data(tx, user_id, now=now):
            listing.write(_line(thing.kind, thing.values))
            sha256 = thing.values.get("raw_sha256") if thing.kind == "message" else None
            if sha256 is not None:
                contents.add(bytes.fromhex(sha256))  # half of what the text would take
            yield


def _write_mail(tx: Tx, archive: ZipFile, sha256: str) -> None:
    with archive.open(f"raw/{sha256}.eml", "w") as mail:
        number = 0
        while (part := read_chunk(tx, sha256, number)) is not None:
            mail.write(part)
            number += 1


def _line(kind: str, values: Any) -> bytes:
    told = orjson.dumps({"record": kind, **values}, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return told + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
