"""Addresses inside the help pages: anchors of headings, and links from one Markdown file to another. Pure."""

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

ROOT: Final = "/help"
_NOT_WORD: Final = re.compile(r"[^\w\s-]")
_BLANKS: Final = re.compile(r"[-\s]+")
_OUTSIDE: Final = re.compile(r"[a-z][a-z0-9+.-]*:|/|#", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"_[0-9]+\Z")


def slug(heading: str) -> str:
    """The anchor of *heading*, made as Python-Markdown (and so mkdocs) makes it."""
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii")
    return _BLANKS.sub("-", _NOT_WORD.sub("", ascii_only).strip().lower())


def unique(anchor: str, taken: Mapping[str, object]) -> str:
    """*anchor*, with a number behind it when an earlier heading of the page has it already."""
    number = 1
    found = anchor
    while found in taken:
        found = f"{_NUMBERED.sub('', anchor)}_{number}"
        number += 1
    return found


def page_path(name: str) -> str:
    """The path of the page *name*, for example ``/help/settings``; ``index`` is ``/help``."""
    return ROOT if name == "index" else f"{ROOT}/{name}"


def target(page: str, href: str) -> str:
    """Where *href*, as the document of *page* has it, leads on this server.

    ``settings.md#smtp`` becomes ``/help/settings#smtp`` and ``images/a.png`` ``/help/images/a.png``; URLs with a
    scheme, absolute paths and anchors of the same page stay as they are.
    """
    if _OUTSIDE.match(href):
        return href
    file, mark, anchor = href.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), file))
    path = page_path(file.removesuffix(".md")) if file.endswith(".md") else f"{ROOT}/{file}"
    return f"{path}{mark}{anchor}"
