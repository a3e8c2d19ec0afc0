"""Choose the parts that are the body of a message, as text and as HTML (RFC 8621 §4.1.4)."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from relay.mail.part import Leaf

BodyKind = Literal["plain", "html", "other"]
# Text for programs: of these the words are not shown, only listed.
_FILE_TYPES: Final = frozenset(
    {
        "text/calendar", "text/x-vcalendar", "text/vcard", "text/x-vcard", "text/directory", "text/rtf", "text/css",
        "text/javascript", "text/x-amp-html", "text/rfc822-headers",
    }
)  # fmt: skip
_RANKS: Final[dict[BodyKind, int]] = {"plain": 0, "html": 1, "other": 2}
_BLANK: Final = 3


def body_kind(leaf: Leaf) -> BodyKind | None:
    """What *leaf* can be in the body; None if it is a file.

    A text is one unless a name or the disposition makes it a file. The name of the first part, of a
    branch of an alternative and of the root of a related does not.
    """
    kind = leaf.content_type
    if not kind.startswith("text/") or kind in _FILE_TYPES or leaf.disposition == "attachment":
        return None
    place = leaf.place
    if place.companion or not (place.first or place.direct or leaf.filename is None):
        return None
    return "plain" if kind == "text/plain" else "html" if kind == "text/html" else "other"


class BodyChoice:
    """The leaves of a message's text and HTML, and those that are neither."""

    def __init__(self, found: Sequence[Leaf], is_blank: Callable[[Leaf], bool]) -> None:
        fitting = [(leaf, kind) for leaf in found if (kind := body_kind(leaf))]
        self.text = _text(fitting, is_blank)
        self.html = _html([leaf for leaf, kind in fitting if kind == "html"])
        used = {id(leaf) for leaf in (*self.text, *self.html)}
        blank = {
            id(leaf)
            for leaf, kind in fitting
            if kind == "plain" and id(leaf) not in used and leaf.place.branches and is_blank(leaf)
        }
        self.others = [leaf for leaf in found if id(leaf) not in used and id(leaf) not in blank]


def _text(fitting: Sequence[tuple[Leaf, BodyKind]], is_blank: Callable[[Leaf], bool]) -> list[Leaf]:
    """The leaves whose words are the text, in order.

    Of a multipart/alternative one branch counts: the first with plain text that is not blank, else the
    last with HTML, because the best alternative comes last (RFC 2046 §5.1.4).
    """
    ranked = [(leaf, _rank(leaf, kind, is_blank)) for leaf, kind in fitting]
    best: dict[int, tuple[int, int]] = {}  # id of the alternative: rank and branch
    for leaf, rank in ranked:
        for choice, branch in leaf.place.branches:
            known = best.get(choice)
            if known is None or rank < known[0] or (rank == known[0] == _RANKS["html"]):
                best[choice] = rank, branch
    branches = {choice: branch for choice, (_, branch) in best.items()}
    return _chosen([leaf for leaf, rank in ranked if rank != _BLANK], branches)


def _rank(leaf: Leaf, kind: BodyKind, is_blank: Callable[[Leaf], bool]) -> int:
    return _BLANK if kind == "plain" and leaf.place.branches and is_blank(leaf) else _RANKS[kind]


def _html(pages: Sequence[Leaf]) -> list[Leaf]:
    """The leaves that form the HTML body, in order: of each alternative the last branch with HTML."""
    last: dict[int, int] = {}
    for leaf in pages:
        last.update(leaf.place.branches)
    return _chosen(pages, last)


def _chosen(found: Sequence[Leaf], branches: dict[int, int]) -> list[Leaf]:
    return [leaf for leaf in found if all(branches[choice] == branch for choice, branch in leaf.place.branches)]
