"""Declarations of `style` attributes and `<style>` elements, those that can hide words.

Selectors of one tag, class or id, and a tag with a class or id, are read. Of any other selector, and of rules
for a medium, only the colours matter: an element they may mean has colours that are not known.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_SHEET: Final = 128 * 1024  # characters of CSS that are read of a page

Declared = Mapping[str, tuple[bool, str]]  # property: whether it is important, and its value

_PROPERTIES: Final = frozenset(
    {
        "display", "visibility", "font-size", "font", "color", "background", "background-color", "background-image",
        "opacity", "text-indent", "position", "left", "right", "top", "height", "max-height", "width", "max-width",
        "overflow", "overflow-x", "overflow-y", "mso-hide", "white-space", "margin", "margin-bottom", "clip",
        "clip-path", "transform", "filter", "zoom", "content-visibility", "margin-left",
        "list-style", "list-style-type", "-webkit-text-fill-color",
    }
)  # fmt: skip
# A declaration of one of them behind something else.
_DECLARATION: Final = re.compile(
    r"(?<![-\w])(display|visibility|font-size|font|color|background(?:-color|-image)?|opacity|text-indent|position"
    r"|left|right|top|(?:max-)?(?:height|width)|overflow(?:-[xy])?|mso-hide|white-space|margin(?:-bottom|-left)?|clip(?:-path)?"
    r"|transform|filter|zoom|content-visibility"
    r"|list-style(?:-type)?|-webkit-text-fill-color)\s*:([^;]*)",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_STYLE: Final = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<style(?=[\s/>])[^>]*(?:>|\Z)(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL
)
_ANY_SCREEN: Final = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*", re.IGNORECASE)
_BRACE: Final = re.compile(r"([{}])")
_SIMPLE: Final = re.compile(r"\*?([a-z][a-z0-9]*)?([.#][\w-]+)?", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"([a-z][a-z0-9]*)?(?:[.#]([\w-]+))?[^\s>+~]*$", re.IGNORECASE)
_MAY_COLOUR: Final = re.compile(r"color|background|\\|/\*", re.IGNORECASE)
_COLOURS: Final = frozenset({"color", "background", "background-color", "background-image"})


@dataclass(slots=True)
class Sheet:
    """The rules of a page's `<style>` elements."""

    rules: dict[str, dict[str, tuple[bool, str]]] = field(default_factory=dict)  # by `tag`, `.class`, `tag#id` …
    unsure: dict[str, set[str]] = field(default_factory=dict)  # colour properties, by tag, class or id of the subject

    def __bool__(self) -> bool:
        return bool(self.rules or self.unsure)

    def keys(self, name: str, attributes: Mapping[str, str]) -> Iterator[str]:
        """Selectors that mean an element, the least specific first."""
        yield name
        for sign, attribute in ((".", "class"), ("#", "id")):
            for word in attributes.get(attribute, "").split():
                yield sign + word
                yield name + sign + word


def read_declarations(style: str) -> dict[str, tuple[bool, str]]:
    """The properties of *style* that this package knows; the last of a name counts unless one is important."""
    if "/*" in style:
        style = _COMMENT.sub("", style)
    if "\\" in style:
        style = _ESCAPE.sub(_unescape, style)
    found: dict[str, tuple[bool, str]] = {}
    for part in style.split(";"):
        name, sign, value = part.partition(":")
        if not sign:
            continue
        name = name.strip().lower()
        if name not in _PROPERTIES:
            if _is_property(name) and ":" not in value:
                continue
            if (odd := _DECLARATION.search(part)) is None:
                continue
            name, value = odd[1].lower(), odd[2]
        plain, important, _ = value.lower().partition("!")
        _declare(found, name, important=bool(important), value=plain.strip())
    return found


def _is_property(name: str) -> bool:
    """Whether *name* is one word, so that no property that is known is in it."""
    return name.replace("-", "").isalnum()


def merge(layers: Iterable[Declared]) -> dict[str, str]:
    """The value of each property where later layers win over earlier ones, and important values over all."""
    found: dict[str, tuple[bool, str]] = {}
    for layer in layers:
        for name, (important, value) in layer.items():
            _declare(found, name, important=important, value=value)
    return {name: value for name, (_, value) in found.items()}


def read_sheets(html: str) -> Sheet:
    """The rules of all `<style>` elements of *html*; those within comments are left out."""
    sheet = Sheet()
    left = MAX_SHEET
    for found in _STYLE.finditer(html):
        css = found[1]
        if css and left > 0:
            _add_rules(sheet, _COMMENT.sub("", css[:left]))
            left -= len(css)
    return sheet


def _declare(found: dict[str, tuple[bool, str]], name: str, *, important: bool, value: str) -> None:
    if important or name not in found or not found[name][0]:
        found[name] = (important, value)


def _add_rules(sheet: Sheet, css: str) -> None:
    within: list[bool] = []  # of each open at-rule whether it holds wherever a mail is read
    selector = ""
    pieces = _BRACE.split(css)
    for text, sign in zip(pieces[::2], pieces[1::2], strict=False):
        if sign == "{":
            prelude = text.rpartition(";")[2].strip()
            if prelude.startswith("@"):
                within.append(_ANY_SCREEN.fullmatch(prelude) is not None)
                prelude = ""
            selector = prelude
        elif selector:
            _add_rule(sheet, selector, text, sure=all(within))
            selector = ""
        elif within:
            within.pop()


def _add_rule(sheet: Sheet, selectors: str, body: str, *, sure: bool) -> None:
    if not sure and not _MAY_COLOUR.search(body):
        return
    declared = read_declarations(body)
    if not declared:
        return
    colours = _COLOURS & declared.keys()
    for selector in selectors.split(","):
        simple = _SIMPLE.fullmatch(selector.strip()) if sure else None
        if simple:
            key = (simple[1] or "").lower() + (simple[2] or "")
            rule = sheet.rules.setdefault(key, {})
            for name, (important, value) in declared.items():
                _declare(rule, name, important=important, value=value)
        elif colours and (subject := _SUBJECT.search(selector.strip()[-200:])):
            sheet.unsure.setdefault(subject[2] or (subject[1] or "*").lower(), set()).update(colours)


def _unescape(found: re.Match[str]) -> str:
    if not found[1]:
        return found[2] or ""
    code = int(found[1], 16)
    return chr(code) if 0 < code < 0x110000 else ""
