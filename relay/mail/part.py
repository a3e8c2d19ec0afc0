"""The leaf parts of a MIME message, in order, with their places in its structure.

RFC 2046 §5.1, RFC 2387.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Final

from relay.mail.decode import clean_line
from relay.mail.parameters import first_word, parse_parameters, safe_filename
from relay.mail.transfer import decode_pieces, transfer_defect
from relay.mail.tree import Node, Tree

_MAX_CONTENT_ID: Final = 500
_MAX_BRANCHES: Final = 8
_TEXT_TYPES: Final = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a part is in the structure of its message."""

    first: bool = False  # no part precedes it
    companion: bool = False  # a part that the root of a multipart/related refers to, such as a picture
    direct: bool = False  # a branch of an alternative or the root of a related: its name does not make it a file
    branches: tuple[tuple[int, int], ...] = ()  # for each enclosing multipart/alternative: its id and the branch number


@dataclass(frozen=True)  # without slots: cached properties need a dict
class Leaf:
    """A part without children: a text, a file, or an embedded message."""

    raw: bytes = field(repr=False)  # the complete message, or the content that was unpacked
    node: Node
    place: Place = Place()
    name: str | None = None  # of an unpacked file, which has no header

    def pieces(self) -> Iterator[bytes]:
        """The transfer-decoded bytes, in pieces of about one megabyte."""
        return decode_pieces(self.raw, self.node.start, self.node.end, self._encoding, text=self._is_text)

    def read(self, limit: int | None = None) -> bytes:
        """The transfer-decoded bytes; with *limit*, at most ``limit + 1`` bytes."""
        if limit is None:
            return b"".join(self.pieces())
        data = b""
        for piece in self.pieces():
            data += piece
            if len(data) > limit:
                break
        return data[: limit + 1]

    @property
    def defect(self) -> str | None:
        """What is wrong with the transfer encoding, so that data may be lost; None if nothing is."""
        return transfer_defect(self.raw, self.node.start, self.node.end, self._encoding, text=self._is_text)

    @property
    def _is_text(self) -> bool:
        return self.content_type.startswith("text/")

    @property
    def _encoding(self) -> str:
        return self.node.fields.get("content-transfer-encoding", "").strip().lower()

    @property
    def content_type(self) -> str:
        """``type/subtype``, lower-case."""
        return self.node.content_type

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The parameters of the Content-Type."""
        return parse_parameters(self.node.fields.get("content-type", ""))

    @property
    def charset(self) -> str | None:
        """The declared charset, or None."""
        return self.parameters.get("charset")

    @cached_property
    def filename(self) -> str | None:
        """The file name, safe to write and to show; None without one.

        ``name`` of a disposition and ``filename`` of a type count too. In form data ``name`` is that of the field.
        """
        if self.name is not None:
            return safe_filename(self.name)
        disposition = parse_parameters(self.node.fields.get("content-disposition", ""))
        written = disposition.get("filename") or self.parameters.get("name")
        if not written and self.disposition != "form-data":
            written = disposition.get("name") or self.parameters.get("filename")
        return safe_filename(written) if written else None

    @property
    def content_id(self) -> str | None:
        """The Content-ID without angle brackets, as in a ``cid:`` URL (RFC 2392)."""
        written = self.node.fields.get("content-id", "")[:_MAX_CONTENT_ID]
        return clean_line(written.encode("utf-8", "replace").decode("utf-8")).strip(" <>") or None

    @cached_property
    def disposition(self) -> str:
        """The Content-Disposition: ``inline``, ``attachment``, another word, or empty."""
        return first_word(self.node.fields.get("content-disposition", ""))

    @property
    def content_location(self) -> str:
        """The Content-Location (RFC 2557 §4.2); empty without one."""
        written = self.node.fields.get("content-location", "")[:_MAX_CONTENT_ID]
        return clean_line(written.encode("utf-8", "replace").decode("utf-8")).strip()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A node still to be visited."""

    node: Node
    place: Place


def leaves(tree: Tree, numbers: Iterator[int] | None = None) -> Iterator[Leaf]:
    """The leaves of *tree* in message order. An embedded message is one leaf.

    *numbers* gives an id to each multipart/alternative.
    """
    numbers = numbers or count()
    waiting = [_Waiting(tree.root, Place())]
    first = True
    while waiting:
        each = waiting.pop()
        if each.node.is_container:
            waiting.extend(reversed(_children(each, numbers)))
        else:
            place = each.place
            yield Leaf(
                tree.raw,
                each.node,
                Place(first=first, companion=place.companion, direct=place.direct, branches=place.branches),
            )
            first = False


def _children(waiting: _Waiting, numbers: Iterator[int]) -> list[_Waiting]:
    node, place = waiting.node, waiting.place
    alternative = node.content_type == "multipart/alternative" and len(place.branches) < _MAX_BRANCHES
    if node.content_type == "multipart/related":
        return _related(node, place, numbers)
    number = next(numbers) if alternative else -1
    return [
        _Waiting(
            child,
            Place(
                companion=place.companion,
                direct=alternative,
                branches=(*place.branches, (number, branch)) if alternative else place.branches,
            ),
        )
        for branch, child in enumerate(node.children)
    ]


def _related(node: Node, place: Place, numbers: Iterator[int]) -> list[_Waiting]:
    """The children of a multipart/related: its root, and what the root refers to.

    A text without Content-ID and Content-Location, which nothing can refer to, is part of the body. A
    plain text before a page is the same in words: programs write so that mistake it for an alternative.
    """
    root = _related_root(node)
    choice = {
        number
        for number, child in enumerate(node.children[: root + 1])
        if child.content_type in _TEXT_TYPES and not _can_be_referred_to(child)
    }
    misused = len(choice) > 1 and len(place.branches) < _MAX_BRANCHES
    alternative = next(numbers) if misused else -1
    return [
        _Waiting(
            child,
            Place(
                companion=place.companion or (number != root and _can_be_referred_to(child)),
                direct=number == root,
                branches=(*place.branches, (alternative, number)) if misused and number in choice else place.branches,
            ),
        )
        for number, child in enumerate(node.children)
    ]


def _can_be_referred_to(child: Node) -> bool:
    return "content-id" in child.fields or "content-location" in child.fields


def _related_root(node: Node) -> int:
    """Index of the root part of a multipart/related (RFC 2387 §3.1, §3.2).

    The child that the parameter ``start`` names, else the first of the declared ``type``, else the
    first page or alternative, else the first.
    """
    parameters = parse_parameters(node.fields.get("content-type", ""))
    start = parameters.get("start", "").strip(" <>")
    ids = [child.fields.get("content-id", "").strip(" <>") for child in node.children]
    if start and start in ids:
        return ids.index(start)
    kinds = [child.content_type for child in node.children]
    for wanted in (parameters.get("type", "").strip().lower(), "text/html", "multipart/alternative"):
        if wanted in kinds:
            return kinds.index(wanted)
    return 0
