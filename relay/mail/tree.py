"""Parse the MIME structure of a message into a tree of slices (RFC 2046 §5.1).

No bytes are copied. The parts of a multipart lie between lines with its boundary; each level is
found by plain searches within its own slice. Depth and number of parts are bounded, so the cost
is linear; content beyond a bound becomes one leaf. Broken structure is read as far as possible.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from relay.mail.decode import clean_line
from relay.mail.headers import Headers, header_end
from relay.mail.parameters import parse_parameters

MAX_DEPTH: Final = 20
MAX_PARTS: Final = 10_000
_MAX_HEAD: Final = 16 * 1024  # bytes of a part's header that are read
_MAX_TYPE: Final = 127  # characters, RFC 6838 §4.2
_TYPE: Final = re.compile(r"[^\s/;]+/[^\s/;]+")
_FIELD: Final = re.compile(
    rb"^(content-(?:type|transfer-encoding|disposition|id))[ \t]*+:((?:[^\r\n]|\r\n[ \t])*+)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(slots=True)
class Node:
    """One MIME part: the offsets of its body, and its Content-* fields."""

    fields: dict[str, str]  # Content-Type, -Transfer-Encoding, -Disposition and -ID, lower-case name to raw value
    start: int  # offset of the body in the message
    end: int
    content_type: str  # lower-case, of the form type/subtype
    children: list["Node"] = field(default_factory=list)

    @property
    def is_container(self) -> bool:
        """Whether the part has children, which then replace its bytes."""
        return bool(self.children)


@dataclass(frozen=True, slots=True)
class Tree:
    """The root node, the bytes of the message, and the defects of the structure."""

    raw: bytes
    root: Node
    defects: tuple[str, ...]


def read_tree(raw: bytes, headers: Headers) -> Tree:
    """Parse the structure of *raw*, whose header section is *headers*. Never raises."""
    fields: dict[str, str] = {}
    for header in headers.fields:
        if header.name.startswith("content-") and header.name not in fields:
            fields[header.name] = header.value.decode("utf-8", "surrogateescape")
    root = _node(fields, header_end(raw), len(raw), "text/plain")
    reader = _Reader(raw)
    reader.read(root)
    return Tree(raw, root, tuple(dict.fromkeys(reader.defects)))


class _Reader:
    """Splits nodes breadth-first until all are leaves or a bound is reached."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._left = MAX_PARTS  # lines that only resemble a boundary count too: they cost as much
        self.defects: list[str] = []

    def read(self, root: Node) -> None:
        level = [root]
        for _ in range(MAX_DEPTH):
            level = [child for node in level for child in self._split(node)]
        if any(node.content_type.startswith("multipart/") for node in level):
            self.defects.append(f"parts nested deeper than {MAX_DEPTH} levels are not parsed")

    def _split(self, node: Node) -> list[Node]:
        if not node.content_type.startswith("multipart/"):
            return []
        boundary = parse_parameters(node.fields.get("content-type", "")).get("boundary", "")
        default = "message/rfc822" if node.content_type == "multipart/digest" else "text/plain"
        if boundary:
            delimiter = b"\r\n--" + boundary.encode("utf-8", "replace")
            node.children = [self._part(start, end, default) for start, end in self._ranges(node, delimiter)]
        if not node.children:
            self.defects.append("a multipart without parts is read as text")
            node.content_type = "text/plain"
        return node.children

    def _ranges(self, node: Node, delimiter: bytes) -> Iterator[tuple[int, int]]:
        """Offsets of the parts of *node*.

        The last part may lack its end (RFC 2046 §5.1.1).
        """
        opened = -1  # end of the preceding boundary line
        position = max(node.start - 2, 0)
        while (found := self._raw.find(delimiter, position, node.end)) >= 0:
            self._left -= 1
            if self._left < 0:
                self.defects.append(f"only the first {MAX_PARTS} parts were read")
                return
            line_end, closing = self._delimiter_line(found + len(delimiter), node.end)
            position = line_end if line_end >= 0 else found + len(delimiter)
            if line_end < 0:
                continue
            if opened >= 0 and opened + 2 < found:
                yield opened + 2, found
            opened = line_end
            if closing:
                return
        if opened >= 0 and opened + 2 < node.end:
            self.defects.append("a multipart has no end")
            yield opened + 2, node.end

    def _delimiter_line(self, behind: int, end: int) -> tuple[int, bool]:
        """End of the boundary line, and whether it closes the multipart.

        *behind* is the offset after the boundary. The end is -1 if the text is a longer boundary.
        """
        closing = self._raw.startswith(b"--", behind)
        line_end = self._raw.find(b"\r\n", behind, min(behind + 200, end))
        if line_end < 0:
            line_end = min(behind + 200, end)
        rest = self._raw[behind + 2 * closing : line_end]
        return (line_end if not rest.strip() else -1), closing

    def _part(self, start: int, end: int, default: str) -> Node:
        """The node of the part between *start* and *end*, with its header parsed."""
        raw = self._raw
        blank = raw.find(b"\r\n\r\n", start, end)
        body = blank + 4 if blank >= 0 else end
        if raw.startswith(b"\r\n", start):
            body = start + 2
        elif b":" not in raw[start : min(body, start + _MAX_HEAD)].partition(b"\r\n")[0]:
            body = start  # the empty line is missing: the text begins at once
        head = raw[start : min(body, start + _MAX_HEAD)]
        fields: dict[str, str] = {}
        for match in _FIELD.finditer(head):
            value = match[2].replace(b"\r\n", b"").strip().decode("utf-8", "surrogateescape")
            fields.setdefault(match[1].lower().decode("ascii"), value)
        return _node(fields, body, end, default)


def _node(fields: dict[str, str], start: int, end: int, default: str) -> Node:
    written = clean_line(fields.get("content-type", "").encode("utf-8", "replace").decode("utf-8"))
    if not written.strip():
        return Node(fields, start, end, default)
    match = _TYPE.match(written.strip().lower()[:_MAX_TYPE])
    # RFC 2045 §5.2 prescribes text/plain for an invalid type, but content of an unknown type is a file.
    return Node(fields, start, end, match[0] if match else "application/octet-stream")
