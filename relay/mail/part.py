"""The leaves of a mail, and which of them are its body (RFC 2046 §5.1, RFC 2387)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fast_mail_parser import DecodeError, PyLazyMimePart

from relay.mail.decode import clean_line
from relay.mail.parameters import parse_parameters, safe_filename
from relay.mail.tree import Tree, header_value

MAX_LEAVES: Final = 10_000
_MAX_TYPE: Final = 127  # characters, RFC 6838 §4.2
_MAX_CONTENT_ID: Final = 500


@dataclass(frozen=True)  # without slots: cached properties need a dict
class Leaf:
    """A part that holds bytes: a text, a file, or a whole mail inside this one."""

    tree: Tree
    node: PyLazyMimePart
    first: bool  # whether no leaf stands before it
    companion: bool  # beside the root of a multipart/related: a picture of the page, not the page
    branches: tuple[tuple[int, int], ...]  # of each multipart/alternative above it: which one, and which branch

    @property
    def content(self) -> bytes:
        """Its transfer-decoded bytes. Raises DecodeError when the tree is not veiled."""
        return self.tree.content(self.node)

    @cached_property
    def content_type(self) -> str:
        """``type/subtype`` in lower case; application/octet-stream for what is no type (RFC 2045 §5.2)."""
        name = clean_line(self.node.content_type).lower()[:_MAX_TYPE]
        return name if name.count("/") == 1 and " " not in name else "application/octet-stream"

    @cached_property
    def _type_parameters(self) -> dict[str, str]:
        return parse_parameters(header_value(self.node, "content-type"))

    @property
    def charset(self) -> str | None:
        """As declared; None without a declaration."""
        return self._type_parameters.get("charset")

    @cached_property
    def filename(self) -> str | None:
        """Safe to write and to show; None without one."""
        disposition = parse_parameters(header_value(self.node, "content-disposition"))
        return safe_filename(disposition.get("filename") or self._type_parameters.get("name") or "")

    @property
    def content_id(self) -> str | None:
        """Without angle brackets, as a ``cid:`` URL names it (RFC 2392)."""
        return clean_line(self.node.content_id or "").strip(" <>")[:_MAX_CONTENT_ID] or None

    @property
    def disposition(self) -> str:
        """``inline``, ``attachment``, another word, or nothing; lower-case."""
        return (self.node.disposition or "").strip().lower()

    @property
    def inline(self) -> bool:
        """Whether it is to be seen within the body: it says so, or the body can refer to it and nothing else is said."""
        return self.disposition == "inline" or (self.disposition == "" and self.content_id is not None)

    def may_be_body(self, content_type: str) -> bool:
        """Whether it can be (a piece of) the body of that type: shown, and not a file (RFC 8621 §4.1.4)."""
        return (
            self.content_type == content_type
            and self.disposition != "attachment"
            and not self.companion
            and (self.first or self.filename is None)
        )


@dataclass(slots=True)
class _Place:
    """A node that waits to be looked at."""

    node: PyLazyMimePart
    companion: bool
    branches: tuple[tuple[int, int], ...]


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of *tree* in the order of the mail. A mail inside the mail is one leaf, not looked into.

    A part without header and content is none: the library sees one where two boundaries meet.
    """
    waiting = [_Place(tree.root, companion=False, branches=())]
    first = True
    while waiting:
        place = waiting.pop()
        node = place.node
        if node.is_message or not node.content_type.lower().startswith("multipart/"):
            if node.encoded_size or node.headers:
                yield Leaf(tree, node, first, place.companion, place.branches)
                first = False
        else:
            waiting.extend(reversed(_children(place)))


def _children(place: _Place) -> list[_Place]:
    kind = place.node.content_type.lower()
    nodes = place.node.children
    root = _related_root(place.node) if kind == "multipart/related" else -1
    choice = kind == "multipart/alternative"
    return [
        _Place(
            node,
            companion=place.companion or root not in (-1, number),
            branches=(*place.branches, (id(place.node), number)) if choice and len(place.branches) < 8 else place.branches,
        )
        for number, node in enumerate(nodes)
    ]


def _related_root(node: PyLazyMimePart) -> int:
    """Which child of a multipart/related is the page: the one ``start`` names, else the first (RFC 2387 §3.2)."""
    start = parse_parameters(header_value(node, "content-type")).get("start", "").strip(" <>")
    if not start:
        return 0
    return next((number for number, child in enumerate(node.children[:100]) if child.content_id == start), 0)


def body_leaves(found: Sequence[Leaf], content_type: str) -> list[Leaf]:
    """The leaves that make the body of *content_type* together, in order.

    Of the branches of a multipart/alternative one counts: the last of HTML, for the best stands
    last (RFC 2046 §5.1.4), and the first of plain text, for a list's footer may follow in another.
    """
    fitting = [leaf for leaf in found if leaf.may_be_body(content_type)]
    chosen: dict[int, int] = {}
    for leaf in fitting if content_type == "text/html" else reversed(fitting):
        chosen.update(leaf.branches)
    return [leaf for leaf in fitting if all(chosen[alternative] == branch for alternative, branch in leaf.branches)]


def readable(found: Sequence[Leaf]) -> bool:
    """Whether the bytes of every leaf can be had."""
    try:
        for leaf in found:
            _ = leaf.content
    except DecodeError:
        return False
    return True
