"""Order-independent digest of a table's rows, equal on both databases."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

_MODULUS: Final = 2**128


def digest_of(rows: Iterable[Sequence[Any]]) -> tuple[int, str]:
    """The number of *rows*, and the sum of their SHA-256 modulo 2**128, in hex.

    A row is hashed as JSON: times in UTC with microseconds, documents with sorted keys, and bytes as a hash of
    their own. Raises TypeError: a value of a type that no column returns.
    """
    count, total = 0, 0
    for row in rows:
        canonical = orjson.dumps(tuple(row), default=_hashed, option=orjson.OPT_SORT_KEYS)
        count += 1
        total += int.from_bytes(sha256(canonical).digest(), "big")
    return count, f"{total % _MODULUS:032x}"


def _hashed(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return {"sha256": sha256(value).hexdigest()}
