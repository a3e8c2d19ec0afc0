"""The leaf parts of a MIME message, and which of them form the body.

RFC 2046 §5.1, RFC 2387.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from relay.mail.decode import clean_line
from relay.mail.parameters import first_word, parse_parameters, safe_filename
from relay.mail.transfer import decode_pieces, transfer_defect
from relay.mail.tree import Node, Tree

_MAX_CONTENT_ID: Final = 500
_MAX_BRANCHES: Final = 8


@dataclass(frozen=True)  # without slots: cached properties need a dict
class Leaf:
    """A part without children: a text, a file, or an embedded message."""

    raw: bytes  # the complete message
    node: Node
    first: bool  # the first leaf of the message
    companion: bool  # a non-root part of a multipart/related, such as an image of the HTML page
    branches: tuple[tuple[int, int], ...]  # for each enclosing multipart/alternative: its id and the branch number

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
    def _type_parameters(self) -> dict[str, str]:
        return parse_parameters(self.node.fields.get("content-type", ""))

    @property
    def charset(self) -> str | None:
        """The declared charset, or None."""
        return self._type_parameters.get("charset")

    @cached_property
    def filename(self) -> str | None:
        """The file name, safe to write and to show; None without one."""
        disposition = parse_parameters(self.node.fields.get("content-disposition", ""))
        return safe_filename(disposition.get("filename") or self._type_parameters.get("name") or "")

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
    def inline(self) -> bool:
        """Whether the part is shown in the body.

        True for the disposition ``inline``, or for no disposition and a Content-ID that the body can
        refer to.
        """
        return self.disposition == "inline" or (self.disposition == "" and self.content_id is not None)

    def may_be_body(self, content_type: str) -> bool:
        """Whether the part can belong to the body of that type (RFC 8621 §4.1.4)."""
        return (
            self.content_type == content_type
            and self.disposition != "attachment"
            and not self.companion
            and (self.first or self.filename is None)
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A node still to be visited, with its position in the tree."""

    node: Node
    companion: bool
    branches: tuple[tuple[int, int], ...]


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of *tree* in message order. An embedded message is one leaf."""
    waiting = [_Place(tree.root, companion=False, branches=())]
    first = True
    while waiting:
        place = waiting.pop()
        if place.node.is_container:
            waiting.extend(reversed(_children(place)))
        else:
            yield Leaf(tree.raw, place.node, first, place.companion, place.branches)
            first = False


def _children(place: _Place) -> list[_Place]:
    node = place.node
    root = _related_root(node) if node.content_type == "multipart/related" else None
    choice = node.content_type == "multipart/alternative" and len(place.branches) < _MAX_BRANCHES
    return [
        _Place(
            child,
            companion=place.companion or root not in (None, number),
            branches=(*place.branches, (id(node), number)) if choice else place.branches,
        )
        for number, child in enumerate(node.children)
    ]


def _related_root(node: Node) -> int:
    """Index of the root part of a multipart/related (RFC 2387 §3.2).

    The child that the parameter ``start`` names, else the first.
    """
    start = parse_parameters(node.fields.get("content-type", "")).get("start", "").strip(" <>")
    ids = [child.fields.get("content-id", "").strip(" <>") for child in node.children]
    return ids.index(start) if start and start in ids else 0


def body_leaves(found: Sequence[Leaf], content_type: str) -> list[Leaf]:
    """The leaves that form the body of type *content_type*, in order.

    Only one branch of a multipart/alternative counts: for HTML the last, because the best
    alternative comes last (RFC 2046 §5.1.4); for plain text the first, because the footer of a
    mailing list may follow in a later one.
    """
    fitting = [leaf for leaf in found if leaf.may_be_body(content_type)]
    chosen: dict[int, int] = {}
    for leaf in fitting if content_type == "text/html" else reversed(fitting):
        chosen.update(leaf.branches)
    return [leaf for leaf in fitting if all(chosen[choice] == branch for choice, branch in leaf.branches)]
