"""What a page says: text, links, hidden words and the resources it refers to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageLink:
    """A target that a reader of the page can follow."""

    url: str  # absolute, at most 4096 characters
    text: str  # the link's words, at most 300 characters
    host: str  # lower-case A-labels; of an address its domain; empty without one
    misleading: bool  # the words name another host than the target's


@dataclass(frozen=True, slots=True)
class Hidden:
    """Words that the page holds and does not show."""

    reason: str  # display, size, colour, offscreen, attribute or zero_width
    text: str  # at most 500 characters


@dataclass(frozen=True, slots=True)
class HtmlText:
    """A page as text."""

    text: str
    hidden: tuple[Hidden, ...] = ()  # at most 20
    links: tuple[PageLink, ...] = ()  # at most 100 targets
    references: frozenset[str] = frozenset()  # `cid:` ids without scheme, and URLs of pictures, at most 1000
    truncated: bool = False  # tags beyond the bound were not read
