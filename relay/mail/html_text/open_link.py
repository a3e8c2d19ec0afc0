"""The link whose words are being read, and the links of the page so far."""

from collections.abc import Mapping

from relay.mail.html_text.html_text import PageLink
from relay.mail.html_text.layout import Layout
from relay.mail.html_text.links import MAX_LINKS, MAX_WORDS, make_link, shows, target


class Links:
    """Collects links and writes each target behind its words."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._found: dict[tuple[str, str], PageLink] = {}
        self._base = ""
        self.url: str | None = None  # of the open link
        self._words: list[str] = []
        self._length = 0
        self._picture = False

    def found(self) -> tuple[PageLink, ...]:
        """The links in order, each URL with the same words once."""
        return tuple(self._found.values())

    def set_base(self, href: str) -> None:
        """Relative targets belong to *href* (`<base>`); the first counts."""
        self._base = self._base or target(href) or ""

    def start(self, attributes: Mapping[str, str]) -> None:
        """A link starts."""
        self.url = target(attributes["href"], self._base) if "href" in attributes else None
        self._words, self._length, self._picture = [], 0, False

    def picture(self) -> None:
        """The open link shows a picture."""
        self._picture = True

    def words(self, text: str) -> None:
        """Text of the open link."""
        if self.url is not None and self._length < 2 * MAX_WORDS:
            self._words.append(text[: 2 * MAX_WORDS])
            self._length += len(text) + 1

    def end(self, quotes: int, *, shown: bool) -> None:
        """The link ends; *shown* unless it lies in hidden words."""
        url, self.url = self.url, None
        if url is None or not shown:
            return
        words = " ".join("".join(self._words).split())
        self._add(url, words)
        if not words and self._picture:
            self._layout.words(f"<{url}>", quotes)
        elif words and not shows(words, url):
            self._layout.append(f" <{url}>")

    def area(self, attributes: Mapping[str, str], words: str) -> str | None:
        """A target with *words* given by attributes, as of `<area>`; returns its URL."""
        href = attributes.get("href") or attributes.get("action")
        url = target(href, self._base) if href else None
        if url:
            self._add(url, words)
        return url

    def _add(self, url: str, words: str) -> None:
        key = (url, words[:MAX_WORDS])
        if key not in self._found and len(self._found) < MAX_LINKS:
            self._found[key] = make_link(url, words)
