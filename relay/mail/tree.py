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
from relay.mail.parameters import first_word, parse_parameters

MAX_DEPTH: Final = 20
MAX_PARTS: Final = 10_000
_MAX_HEAD: Final = 16 * 1024  # bytes of a part's header that are read
_MAX_TYPE: Final = 127  # characters, RFC 6838 §4.2
_TYPE: Final = re.compile(r"""[\s"'<]*([\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,80})""", re.ASCII)
_GUESSED: Final = 64 * 1024  # bytes of a multipart in which an undeclared boundary is searched
_BOUNDARY_LINE: Final = re.compile(
    rb"^--([\w'()+,./:=?-]{1,70})[ \t]*\r\n(?=[\w-]{1,60}:|\r\n)", re.MULTILINE | re.ASCII
)
_MEDIA: Final = frozenset({"application", "image", "audio", "video", "font", "model"})  # without a subtype
_FIELD: Final = re.compile(
    rb"^(content-(?:type|transfer-encoding|disposition|id|location))[ \t]*+:((?:[^\r\n]|\r\n[ \t])*+)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(slots=True)
class Node:
    """One MIME part: the offsets of its body, and its Content-* fields."""

    fields: dict[str, str]  # the Content-* fields that are read: lower-case name to raw value
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


def read_entity(raw: bytes) -> Tree:
    """Parse the structure of *raw*, an entity that may lack a header (RFC 2045 §2.4). Never raises."""
    if b"\r\n" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    reader = _Reader(raw)
    root = reader.part(0, len(raw), "text/plain")
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
        if node.children or not node.content_type.startswith("multipart/"):
            return node.children
        boundary = self._boundary(node)
        if boundary:
            self._divide(node, boundary)
        if not node.children:
            self.defects.append("a multipart without parts is read as text")
            node.content_type = "text/plain"
        return node.children

    def _boundary(self, node: Node) -> str:
        """The boundary parameter; without one the first line of the body that looks like a delimiter."""
        boundary = _declared_boundary(node)
        if boundary:
            return boundary
        found = _BOUNDARY_LINE.search(self._raw, node.start, min(node.end, node.start + _GUESSED))
        if found is None:
            return ""
        self.defects.append("a multipart does not declare its boundary, which is taken from its first line")
        return found[1].decode("ascii")

    def _divide(self, node: Node, boundary: str) -> None:
        """Fill the children of *node*.

        A child that is an empty multipart with the same boundary takes the parts up to the next closing
        delimiter: that is how a program writes which uses one boundary twice.
        """
        default = "message/rfc822" if node.content_type == "multipart/digest" else "text/plain"
        delimiter = b"\r\n--" + boundary.encode("utf-8", "replace")
        taker = node
        for start, end, closes in self._ranges(node, delimiter):
            part = self.part(start, end, default)
            taker.children.append(part)
            if taker is node and self._reuses(part, boundary):
                self.defects.append("a multipart uses the boundary of the one around it")
                taker = part
            if closes:
                taker = node

    def _reuses(self, part: Node, boundary: str) -> bool:
        return (
            part.content_type.startswith("multipart/")
            and not self._raw[part.start : min(part.end, part.start + 500)].strip()
            and _declared_boundary(part) == boundary
        )

    def _ranges(self, node: Node, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
        """Offsets of the parts of *node*, and whether a closing delimiter ends the part.

        The last part may lack its end (RFC 2046 §5.1.1). Parts behind a closing delimiter are read too:
        other mail programs show them.
        """
        opened = -1  # end of the preceding boundary line; -1 before the first and behind a closing one
        closed = False
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
                yield opened + 2, found, closing
            if closed and not closing:
                self.defects.append("a multipart goes on behind its closing delimiter")
            opened, closed = (-1 if closing else line_end), closing
        if opened >= 0 and opened + 2 < node.end:
            self.defects.append("a multipart has no end")
            yield opened + 2, node.end, True

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

    def part(self, start: int, end: int, default: str) -> Node:
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


def _declared_boundary(node: Node) -> str:
    return parse_parameters(node.fields.get("content-type", "")).get("boundary", "")


def _node(fields: dict[str, str], start: int, end: int, default: str) -> Node:
    if "content-type" not in fields:
        return Node(fields, start, end, default)
    written = clean_line(fields["content-type"].encode("utf-8", "replace").decode("utf-8"))[:_MAX_TYPE]
    match = _TYPE.match(written)
    if match:
        return Node(fields, start, end, match[1].lower())
    return Node(fields, start, end, _meant(written, fields, default))


def _meant(written: str, fields: dict[str, str], default: str) -> str:
    """The type that an unreadable Content-Type means: text (RFC 2045 §5.2), if nothing says that it is a file."""
    word = first_word(written).strip("<>/")
    if word in ("html", "htm"):
        return "text/html"
    parameters = parse_parameters(written)
    if word == "multipart" and parameters.get("boundary"):
        return "multipart/mixed"
    disposition = fields.get("content-disposition", "")
    named = parameters.get("name") or parse_parameters(disposition).get("filename")
    if word and (named or first_word(disposition) == "attachment" or word in _MEDIA):
        return "application/octet-stream"
    return "text/plain" if word else default
