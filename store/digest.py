"""What a table holds, as a number: the same on both databases, whatever order the rows come in."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Final

import orjson

_MODULUS: Final = 2**128


def digest_of(rows: Iterable[Sequence[Any]]) -> tuple[int, str]:
    """How many *rows* there are, and the sum modulo 2**128 of what each hashes to, in hex."""
    count, total = 0, 0
    for row in rows:
        count += 1
        total = (total + _number(row)) % _MODULUS
    return count, f"{total:032x}"


def _number(row: Sequence[Any]) -> int:
    # A length before each value leaves one reading only.
    whole = sha256(b"".join([b"%d:%b" % (len(value), value) for value in map(_canonical, row)]))
    return int.from_bytes(whole.digest()[:16], "big")


def _canonical(value: Any) -> bytes:
    """*value* as bytes that say its kind too; times in UTC, documents with their names in order."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    if isinstance(value, str):
        return b"s" + value.encode()
    if isinstance(value, bytes):
        return b"r" + sha256(value).digest()
    if isinstance(value, date):
        return b"d" + value.isoformat().encode()
    return b"j" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
