"""A tag of a page: what it does is found once for all tags that are written alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from relay.mail.html_text.appearance import Appearance
from relay.mail.html_text.attributes import read_attributes

Take = Callable[[Any, "Tag"], None]  # of the reader
Begin = Callable[[Any, "Tag", Appearance], None]  # of the page; with the appearance around the element
Finish = Callable[[Any, "Tag", Appearance], None]  # of the page; with the appearance of the element
Closed = tuple[tuple[str, ...], frozenset[str]]
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(slots=True, eq=False)
class Tag:
    """A tag and what it does."""

    name: str  # lower-case
    attributes: str  # as written
    take: Take
    begin: Begin | None = None  # what the start of the element does to the text
    finish: Finish | None = None  # what its end does
    closes: Closed | None = None  # as in elements.CLOSES
    ends_paragraph: bool = False
    ends: int = 0  # lines, as in elements.ENDS
    slashed: bool = False  # written as an element without content
    like_parent: bool = False  # words in the element look as those around
    looks: dict[Appearance, Appearance] = field(default_factory=dict)  # by that of the parent
    _values: Mapping[str, str] | None = None

    @property
    def values(self) -> Mapping[str, str]:
        """The attributes by name, decoded."""
        if self._values is None:
            self._values = read_attributes(self.attributes) if self.attributes else _NOTHING
        return self._values
