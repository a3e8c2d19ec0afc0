"""Compute DKIM body hashes (``bh=``): all requested forms in one pass."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import NamedTuple

from relay.auth.canonical import CanonicalBody


class BodyForm(NamedTuple):
    """Which form of the body a signature covers: canonicalization and length limit."""

    relaxed: bool
    limit: int | None  # l=: octets of the canonical body; None covers the whole body


class BodyDigest(NamedTuple):
    """The SHA-256 digest of a body in one form."""

    digest: bytes
    length: int  # octets of the whole canonical body, not cut by the limit


class _Limited:
    """Hashes octets up to a limit and counts all octets."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._hash = sha256()
        self._length = 0

    def update(self, data: bytes) -> None:
        if self._limit is None or self._length + len(data) <= self._limit:
            self._hash.update(data)
        elif self._length < self._limit:
            self._hash.update(data[: self._limit - self._length])
        self._length += len(data)

    def result(self) -> BodyDigest:
        return BodyDigest(self._hash.digest(), self._length)


def hash_body(chunks: Iterable[bytes], forms: Collection[BodyForm]) -> dict[BodyForm, BodyDigest]:
    """The digest of the body in each of *forms*.

    The body is not read if *forms* is empty.
    """
    if not forms:
        return {}
    hashes = {form: _Limited(form.limit) for form in forms}
    bodies = [CanonicalBody(hashing.update, relaxed=form.relaxed) for form, hashing in hashes.items()]
    for chunk in chunks:
        for body in bodies:
            body.update(chunk)
    for body in bodies:
        body.finish()
    return {form: hashing.result() for form, hashing in hashes.items()}
