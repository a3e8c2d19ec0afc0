"""The header section of a mail, split by bytes and nothing else.

No decoding happens here: every later reader (DKIM, DMARC, threading, the API) starts
from the same fields, so no two of them can disagree on what the mail said. Linear in
the input and never raising: what is not a field is kept as a field without a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

END_OF_HEADERS: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Field:
    """One header field as it arrived (RFC 5322 §2.2)."""

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
    fields: list[Field] = []
    parts: list[bytes] = []
    for line in section.split(b"\r\n")[:-1]:
        if line[:1] in (b" ", b"\t") and parts:
            parts.append(line)
            continue
        if parts:
            fields.append(_field(parts))
        parts = [line] if line else []
    if parts:
        fields.append(_field(parts))
    return Headers(tuple(fields))


def _field(lines: list[bytes]) -> Field:
    raw = b"\r\n".join(lines) + b"\r\n"
    name, colon, _ = lines[0].partition(b":")
    stripped = name.rstrip(b" \t")
    # RFC 5322 §3.6.8: printable ASCII without the colon; §4.5 allows blanks before the colon in old mail.
    named = bool(colon) and stripped != b"" and all(0x21 <= byte <= 0x7E for byte in stripped)
    return Field(stripped.decode("ascii").lower() if named else "", raw)
