"""The stack of open elements: what a start tag or an end tag closes (HTML Living Standard §13.2.4)."""

from collections.abc import Collection
from typing import Final, NamedTuple

from relay.mail.html_text.appearance import Appearance
from relay.mail.html_text.elements import FORMATTING, SCOPES, SPECIAL, TABLE_PARTS

MAX_DEPTH: Final = 512  # as in Chromium; a deeper element takes the place of the last one
_REPAIRS: Final = 10_000  # elements opened again, in all
_REOPENED: Final = 8  # at once


class Element(NamedTuple):
    """One open element."""

    name: str
    attributes: str
    look: Appearance


class OpenElements:
    """Elements whose end tag has not come."""

    def __init__(self) -> None:
        self._stack: list[Element] = []
        self._names: list[str] = []
        self._count: dict[str, int] = {}
        self._repairs = _REPAIRS

    def holds(self, name: str) -> bool:
        """Whether an element *name* is open."""
        return self._count.get(name, 0) > 0

    def look(self) -> Appearance | None:
        """The appearance of words in the innermost element; None outside all."""
        return self._stack[-1].look if self._stack else None

    def look_before_last(self) -> Appearance:
        """The appearance of the parent of the innermost element, else its own."""
        return self._stack[-2 if len(self._stack) > 1 else -1].look

    def push(self, element: Element) -> None:
        """Open *element*."""
        self._stack.append(element)
        self._names.append(element.name)
        self._count[element.name] = self._count.get(element.name, 0) + 1

    def full(self) -> bool:
        """Whether the next element takes the place of the last."""
        return len(self._stack) >= MAX_DEPTH

    def pop(self, start: int) -> list[Element]:
        """Close the elements from *start* on; returns them, the innermost first."""
        gone = self._stack[start:]
        del self._stack[start:], self._names[start:]
        for element in gone:
            self._count[element.name] -= 1
        return gone[::-1]

    def __len__(self) -> int:
        return len(self._stack)

    def last(self, names: Collection[str], between: frozenset[str]) -> int:
        """Place of the innermost element of *names*, -1 where one of *between* lies within it."""
        place = -1
        for name in names:
            if self._count.get(name):
                place = max(place, self._place(name))
        if place < 0 or place == len(self._names) - 1:
            return place
        return place if between.isdisjoint(self._names[place + 1 :]) else -1

    def closed_by(self, name: str) -> int:
        """Place of the element that the end tag *name* closes; -1 for a stray tag."""
        if not self._count.get(name):
            return -1
        if self._names[-1] == name:
            return len(self._names) - 1
        if name in TABLE_PARTS:
            return self.last((name,), frozenset({"table"}))
        return self.last((name,), SCOPES if name in SPECIAL or name in FORMATTING else SPECIAL)

    def reopened(self, gone: list[Element], name: str) -> list[Element]:
        """Of *gone*, elements that go on behind the end of the element *name*, the outermost first."""
        if len(gone) < 2 or name in SCOPES or self._repairs <= 0:
            return []
        inner = gone[-2::-1]
        if name not in FORMATTING or SPECIAL.isdisjoint(element.name for element in inner):
            inner = [element for element in inner if element.name in FORMATTING and element.name != "a"][-_REOPENED:]
        self._repairs -= len(inner)
        return inner

    def _place(self, name: str) -> int:
        if self._names[-1] == name:
            return len(self._names) - 1
        return len(self._names) - 1 - self._names[::-1].index(name)
