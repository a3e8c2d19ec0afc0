"""Select and hash the header fields a signature covers.

RFC 6376 §3.7, RFC 8617 §5.1.1.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from relay.auth.canonical import relaxed_field, simple_field
from relay.mail.headers import Field, Headers

# Anchored at a semicolon or the start, so each blank is read once.
_SIGNATURE_TAG: Final = re.compile(rb"(?:\A|;)[ \t\r\n]*+b[ \t\r\n]*+=")


def without_signature(field: Field, *, relaxed: bool) -> bytes:
    """*field* in canonical form, with an empty ``b=`` and without its final CRLF."""
    name, colon, value = field.raw.partition(b":")
    tag = _SIGNATURE_TAG.search(value)
    if tag is not None:
        end = value.find(b";", tag.end())
        value = value[: tag.end()] + (value[end:] if end >= 0 else b"")
    bare = Field(field.name, name + colon + value)
    return relaxed_field(bare)[:-2] if relaxed else bare.raw.removesuffix(b"\r\n")


def choose(headers: Headers, names: Sequence[str], *, but: Field) -> Iterator[Field]:
    """The header fields for the names in ``h=``, in that order (RFC 6376 §5.4.2).

    Repeated names select fields from the bottom up; a field is selected once; absent names are
    skipped. The signature's own field (*but*) is never selected.
    """
    wanted = set(names)
    stacks: dict[str, list[Field]] = {}
    for field in headers.fields:
        if field.name in wanted and field is not but:
            stacks.setdefault(field.name, []).append(field)
    for name in names:
        stack = stacks.get(name)
        if stack:
            yield stack.pop()


def header_digest(headers: Headers, names: Sequence[str], field: Field, *, relaxed: bool) -> bytes:
    """The SHA-256 digest that the ``b=`` of *field* signs."""
    form = relaxed_field if relaxed else simple_field
    signed = [form(chosen) for chosen in choose(headers, names, but=field)]
    signed.append(without_signature(field, relaxed=relaxed))
    return sha256(b"".join(signed)).digest()
