"""Split the header section of a message into fields, as bytes (RFC 5322 §2.2).

Does not decode. All later steps (DKIM, DMARC, threading, the API) use these fields, so two steps
cannot disagree about the message. Linear in the input; never raises: a line that is not a field
becomes a field with an empty name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

END_OF_HEADERS: Final = b"\r\n\r\n"
FIELD_WEIGHT: Final = 32  # bytes that cost as much as a further field
_ADDRESSES: Final = frozenset({"from", "reply-to", "to", "cc"})
_ADDRESS_WEIGHT: Final = 20  # a list is read by tokens, and each name and address is decoded
_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")  # not before a fold (RFC 5322 §2.2.3)
# RFC 5322 §3.6.8: printable ASCII without the colon; §4.5 allows blanks before the colon in old mail.
_NAME: Final = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*")


class Field(NamedTuple):
    """One header field as received (RFC 5322 §2.2).

    A named tuple to save memory: a hostile message may have a hundred thousand fields.
    """

    name: str  # lower-case, without blanks before the colon; empty if the line is not a field
    raw: bytes  # name, colon, value and folds, with every CRLF including the last

    @property
    def value(self) -> bytes:
        """The text after the colon, unfolded (RFC 5322 §2.2.3) and stripped."""
        _, _, value = self.raw.partition(b":")
        return value.replace(b"\r\n", b"").strip()


@dataclass(frozen=True, slots=True)
class Headers:
    """The header fields of a message in order, topmost first."""

    fields: tuple[Field, ...]

    @property
    def weight(self) -> int:
        """What a pass over the fields costs: their bytes, more for addresses, and FIELD_WEIGHT for each."""
        sizes = [len(field.raw) * (_ADDRESS_WEIGHT if field.name in _ADDRESSES else 1) for field in self.fields]
        return sum(sizes) + FIELD_WEIGHT * len(self.fields)

    def all(self, name: str) -> Sequence[Field]:
        """All fields named *name* (lower-case), topmost first."""
        return [field for field in self.fields if field.name == name]

    def first(self, name: str) -> Field | None:
        """The topmost field named *name* (lower-case), or None."""
        return next((field for field in self.fields if field.name == name), None)


def header_end(head: bytes) -> int:
    """Offset of the body in *head*; the length of *head* if it has no empty line.

    A message that starts with the empty line has no header fields.
    """
    if head.startswith(b"\r\n"):
        return 2
    end = head.find(END_OF_HEADERS)
    return len(head) if end < 0 else end + 4


def count_fields(section: bytes) -> int:
    """The number of fields of a header *section*, without making them: lines that are no fold."""
    folds = section.count(b"\r\n ") + section.count(b"\r\n\t")
    return section.count(b"\r\n") - folds - section.endswith(END_OF_HEADERS)


def split_headers(head: bytes) -> Headers:
    """The header fields of *head*. Bytes of the body after them are ignored."""
    section = head[: header_end(head)]
    known: dict[bytes, str] = {}  # cache: in a long header most names repeat
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
