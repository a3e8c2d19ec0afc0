"""The stack of open elements: what a start tag or an end tag closes (HTML Living Standard §13.2.4)."""

from collections.abc import Collection, Sequence
from typing import Final

from relay.mail.html_text.appearance import Appearance
from relay.mail.html_text.elements import FORMATTING, SCOPES, SPECIAL, TABLE_PARTS
from relay.mail.html_text.tag import Tag

MAX_DEPTH: Final = 512  # as in Chromium; a deeper element takes the place of the last one
_REPAIRS: Final = 10_000  # elements opened again, in all
_REOPENED: Final = 8  # at once
_TABLE: Final = frozenset({"table"})
_NEAR: Final = 4  # elements that are looked at one by one

Element = tuple[Tag, Appearance]


class OpenElements:
    """Elements whose end tag has not come, the outermost first. The first is the page, which nothing closes."""

    def __init__(self, page: Element) -> None:
        self.elements: list[Element] = [page]
        self.names = [""]
        self.count: dict[str, int] = {}  # of open elements, by name
        self._repairs = _REPAIRS

    def push(self, tag: Tag, look: Appearance) -> None:
        """Open an element."""
        name = tag.name
        self.elements.append((tag, look))
        self.names.append(name)
        self.count[name] = self.count.get(name, 0) + 1

    def full(self) -> bool:
        """Whether the next element takes the place of the last."""
        return len(self.names) > MAX_DEPTH

    def pop_last(self) -> Element:
        """Close the innermost element."""
        self.count[self.names.pop()] -= 1
        return self.elements.pop()

    def pop(self, start: int) -> list[Element]:
        """Close the elements from *start* on; returns them, the innermost first."""
        gone = self.elements[start:]
        del self.elements[start:], self.names[start:]
        for tag, _ in gone:
            self.count[tag.name] -= 1
        return gone[::-1]

    def last(self, names: Collection[str], between: frozenset[str]) -> int:
        """Place of the innermost element of *names*, -1 where one of *between* lies within it."""
        place = len(self.names)
        for name in self.names[: -_NEAR - 1 : -1]:
            place -= 1
            if name in names:
                return place
            if name in between:
                return -1
        return self._far(names, between)

    def _far(self, names: Collection[str], between: frozenset[str]) -> int:
        place = max([self._place(name) for name in names if self.count.get(name)], default=-1)
        return place if place >= 0 and between.isdisjoint(self.names[place + 1 :]) else -1

    def closed_by(self, name: str) -> int:
        """Place of the element that the end tag *name* closes; -1 for a stray tag."""
        if not self.count.get(name):
            return -1
        if name in TABLE_PARTS:
            return self.last((name,), _TABLE)
        return self.last((name,), SCOPES if name in SPECIAL or name in FORMATTING else SPECIAL)

    def reopened(self, gone: Sequence[Element], name: str) -> list[Element]:
        """Of *gone*, elements that go on behind the end of the element *name*, the outermost first."""
        if len(gone) < 2 or name in SCOPES or self._repairs <= 0:
            return []
        inner = gone[-2::-1]
        if name not in FORMATTING or SPECIAL.isdisjoint([tag.name for tag, _ in inner]):
            inner = [each for each in inner if each[0].name in FORMATTING and each[0].name != "a"][-_REOPENED:]
        self._repairs -= len(inner)
        return list(inner)

    def _place(self, name: str) -> int:
        return len(self.names) - 1 - self.names[::-1].index(name)
