"""The pictures and other resources that a page refers to."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

MAX_REFERENCES: Final = 1000
_MAX_LENGTH: Final = 2000
_URL: Final = re.compile(r"""url\(\s*["']?([^"'()\s]{1,2000})""", re.IGNORECASE)
_PLAIN_SOURCES: Final = ("src", "background", "data", "poster")
_SOURCES: Final = frozenset({*_PLAIN_SOURCES, "srcset"})


class References:
    """Collects references: Content-IDs without `cid:` and brackets, other URLs as written."""

    def __init__(self) -> None:
        self._found: set[str] = set()

    def of_element(self, name: str, attributes: Mapping[str, str]) -> None:
        """References of a start tag."""
        if not _SOURCES.isdisjoint(attributes) or name == "link":
            self._of_sources(name, attributes)
        if style := attributes.get("style"):
            self.of_css(style)

    def _of_sources(self, name: str, attributes: Mapping[str, str]) -> None:
        for source in _PLAIN_SOURCES:
            if source in attributes:
                self._add(attributes[source])
        if name == "link" and (value := attributes.get("href")):
            self._add(value)
        for candidate in attributes["srcset"].split(",")[:20] if "srcset" in attributes else ():
            if words := candidate.split(maxsplit=1):
                self._add(words[0])

    def of_css(self, css: str) -> None:
        """References of a `style` attribute or a `<style>` element."""
        if "url(" in css or "URL(" in css:
            for url in _URL.findall(css):
                self._add(url)

    def found(self) -> frozenset[str]:
        """All references."""
        return frozenset(self._found)

    def _add(self, url: str) -> None:
        url = url.strip()
        if len(url) < 2 or len(url) > _MAX_LENGTH or len(self._found) >= MAX_REFERENCES or url[:5].lower() == "data:":
            return
        self._found.add(unquote(url[4:]).strip("<> ") if url[:4].lower() == "cid:" else url)
