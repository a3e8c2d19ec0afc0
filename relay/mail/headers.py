"""The header section of a mail, split by bytes and nothing else.

No decoding happens here: every later reader (DKIM, DMARC, threading, the API) starts
from the same fields, so no two of them can disagree on what the mail said. Linear in
the input and never raising: what is not a field is kept as a field without a name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

END_OF_HEADERS: Final = b"\r\n\r\n"
_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")  # not before a fold (RFC 5322 §2.2.3)
# RFC 5322 §3.6.8: printable ASCII without the colon; §4.5 allows blanks before the colon in old mail.
_NAME: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*")


class Field(NamedTuple):
    """One header field as it arrived (RFC 5322 §2.2); a tuple, as a stranger may send a hundred thousand."""

    name: str  # lower-case, blanks before the colon removed; empty where the line is no field
    raw: bytes  # name, colon, value and folds, with every CRLF, the last one too

    @property
    def value(self) -> bytes:
        """Behind the colon, unfolded (RFC 5322 §2.2.3) and stripped."""
        _, _, value = self.raw.partition(b":")
        return value.replace(b"\r\n", b"").strip()


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of a mail in their order, topmost first."""

    fields: tuple[Field, ...]

    def all(self, name: str) -> Sequence[Field]:
        """Every field called *name* (lower-case), topmost first."""
        return [field for field in self.fields if field.name == name]

    def first(self, name: str) -> Field | None:
        """The topmost field called *name* (lower-case)."""
        return next((field for field in self.fields if field.name == name), None)


def header_end(head: bytes) -> int:
    """Where the body starts in *head*; its length when no empty line is in it.

    A mail may start with the empty line: it then has no header at all.
    """
    if head.startswith(b"\r\n"):
        return 2
    end = head.find(END_OF_HEADERS)
    return len(head) if end < 0 else end + 4


def split_headers(head: bytes) -> Headers:
    """The fields of *head*, which may go on into the body (that part is not looked at)."""
    section = head[: header_end(head)]
    known: dict[bytes, str] = {}  # of a hundred thousand fields most have the name of another
    return Headers(tuple([_field(raw, known) for raw in _FIELD_END.split(section) if raw]))


def _field(raw: bytes, known: dict[bytes, str]) -> Field:
    written, colon, _ = raw.partition(b":")
    name = known.get(written)
    if name is None:
        name = known[written] = _name(written)
    return Field(name if colon else "", raw + b"\r\n")


def _name(written: bytes) -> str:
    name = _NAME.fullmatch(written)
    return name[1].decode("ascii").lower() if name else ""
