"""The documents and pictures of docs/, read once from a checkout or from the installed wheel."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from relay.web.help.contents import CONTENTS
from relay.web.help.links import page_path
from relay.web.help.render import HelpPage, render

_PACKAGE: Final = Path(__file__).resolve().parents[2]
PICTURES: Final = {".png": "image/png", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class MenuGroup:
    """A group of the menu: path and title of each of its pages."""

    title: str
    pages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All help pages; a request names one by its key, so no file is opened by a name out of a request."""

    pages: Mapping[str, HelpPage]  # by name: "settings", "decisions/0001-…"
    pictures: Mapping[str, Path]  # by path below docs/: "images/review.png"
    menu: tuple[MenuGroup, ...]


@cache
def library() -> Library:
    """All pages, rendered at the first call. Takes a tenth of a second: call it on another thread."""
    folder = _folder()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    pages = {
        _name(file, folder): render(_name(file, folder), file.read_text("utf-8"))
        for file in files
        if file.suffix == ".md"
    }
    pictures = {file.relative_to(folder).as_posix(): file for file in files if file.suffix in PICTURES}
    return Library(pages=pages, pictures=pictures, menu=_menu(pages))


def _folder() -> Path:
    """The folder of the documents: inside the package of a wheel, next to the package in a checkout."""
    packed = _PACKAGE / "_docs"
    return packed if packed.is_dir() else _PACKAGE.parent / "docs"


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _menu(pages: Mapping[str, HelpPage]) -> tuple[MenuGroup, ...]:
    groups = (
        MenuGroup(title, tuple((page_path(name), pages[name].title) for name in names if name in pages))
        for title, names in CONTENTS
    )
    return tuple(group for group in groups if group.pages)
