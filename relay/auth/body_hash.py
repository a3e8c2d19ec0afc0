"""Body hashes: each form a signature asks for is computed once, all in one reading of the body."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import NamedTuple

from relay.auth.canonical import CanonicalBody


class BodyForm(NamedTuple):
    """What of a body a signature covers."""

    relaxed: bool
    limit: int | None  # octets of the canonical body (l=); None for all of it


class BodyDigest(NamedTuple):
    """The SHA-256 of a body in one form."""

    digest: bytes
    length: int  # octets of the whole canonical body, whatever the limit was


class _Limited:
    """Hashes the first octets and counts all of them."""

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
    """The digest of the body in each of *forms*; the body is not read when there are none."""
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
