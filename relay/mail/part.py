"""The leaves of a mail, and which of them are its body (RFC 2046 §5.1, RFC 2387)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from relay.mail.decode import clean_line
from relay.mail.parameters import parse_parameters, safe_filename
from relay.mail.transfer import decode_pieces, is_base64
from relay.mail.tree import Node, Tree

_MAX_CONTENT_ID: Final = 500
_MAX_BRANCHES: Final = 8


@dataclass(frozen=True)  # without slots: cached properties need a dict
class Leaf:
    """A part that holds bytes: a text, a file, or a whole mail inside this one."""

    raw: bytes  # the whole mail
    node: Node
    first: bool  # whether no leaf stands before it
    companion: bool  # beside the root of a multipart/related: a picture of the page, not the page
    branches: tuple[tuple[int, int], ...]  # of each multipart/alternative above it: which one, and which branch

    def pieces(self) -> Iterator[bytes]:
        """Its transfer-decoded bytes, about a megabyte at a time."""
        return decode_pieces(self.raw, self.node.start, self.node.end, self._encoding)

    def read(self, limit: int | None = None) -> bytes:
        """Its transfer-decoded bytes; when *limit* is given, no more than that and one byte."""
        if limit is None:
            return b"".join(self.pieces())
        data = b""
        for piece in self.pieces():
            data += piece
            if len(data) > limit:
                break
        return data[: limit + 1]

    @property
    def damaged(self) -> bool:
        """Whether its base64 holds what is none, so that some of it may be lost."""
        return self._encoding == "base64" and not is_base64(self.raw, self.node.start, self.node.end)

    @property
    def _encoding(self) -> str:
        return self.node.fields.get("content-transfer-encoding", "").strip().lower()

    @property
    def content_type(self) -> str:
        """``type/subtype`` in lower case."""
        return self.node.content_type

    @cached_property
    def _type_parameters(self) -> dict[str, str]:
        return parse_parameters(self.node.fields.get("content-type", ""))

    @property
    def charset(self) -> str | None:
        """As declared; None without a declaration."""
        return self._type_parameters.get("charset")

    @cached_property
    def filename(self) -> str | None:
        """Safe to write and to show; None without one."""
        disposition = parse_parameters(self.node.fields.get("content-disposition", ""))
        return safe_filename(disposition.get("filename") or self._type_parameters.get("name") or "")

    @property
    def content_id(self) -> str | None:
        """Without angle brackets, as a ``cid:`` URL names it (RFC 2392)."""
        written = self.node.fields.get("content-id", "")[:_MAX_CONTENT_ID]
        return clean_line(written.encode("utf-8", "replace").decode("utf-8")).strip(" <>") or None

    @cached_property
    def disposition(self) -> str:
        """``inline``, ``attachment``, another word, or nothing; lower-case."""
        return self.node.fields.get("content-disposition", "").partition(";")[0].strip().lower()

    @property
    def inline(self) -> bool:
        """Whether it belongs into the body: it says so, or says nothing and has an id the body can use."""
        return self.disposition == "inline" or (self.disposition == "" and self.content_id is not None)

    def may_be_body(self, content_type: str) -> bool:
        """Whether it can be (a piece of) the body of that type: shown, and not a file (RFC 8621 §4.1.4)."""
        return (
            self.content_type == content_type
            and self.disposition != "attachment"
            and not self.companion
            and (self.first or self.filename is None)
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that waits to be looked at."""

    node: Node
    companion: bool
    branches: tuple[tuple[int, int], ...]


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of *tree* in the order of the mail. A mail inside the mail is one leaf, not looked into."""
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
    """Which child of a multipart/related is the page: the one ``start`` names, else the first (RFC 2387 §3.2)."""
    start = parse_parameters(node.fields.get("content-type", "")).get("start", "").strip(" <>")
    ids = [child.fields.get("content-id", "").strip(" <>") for child in node.children]
    return ids.index(start) if start and start in ids else 0


def body_leaves(found: Sequence[Leaf], content_type: str) -> list[Leaf]:
    """The leaves that make the body of *content_type* together, in order.

    Of the branches of a multipart/alternative one counts: the last of HTML, for the best stands
    last (RFC 2046 §5.1.4), and the first of plain text, for a list's footer may follow in another.
    """
    fitting = [leaf for leaf in found if leaf.may_be_body(content_type)]
    chosen: dict[int, int] = {}
    for leaf in fitting if content_type == "text/html" else reversed(fitting):
        chosen.update(leaf.branches)
    return [leaf for leaf in fitting if all(chosen[choice] == branch for choice, branch in leaf.branches)]
