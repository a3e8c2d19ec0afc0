"""What styles do to words: which are hidden and why, and which blanks are kept."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final

from relay.mail.html_text.colours import TRANSPARENT, WHITE, Colour, alike, read_colour
from relay.mail.html_text.css import Declared, Sheet, merge, read_declarations
from relay.mail.html_text.vanishing import is_moved_away, leaves_nothing

_LENGTH: Final = re.compile(r"(-?[0-9]{0,9}\.?[0-9]{1,9})\s*([a-z%]*)")
_FAR: Final = -900.0  # pixels left of or above the page
_FAR_RIGHT: Final = 1900.0  # pixels from the left, wider than a mail is shown
# Attributes of an element that its appearance depends on.
_ATTRIBUTES: Final = frozenset(
    {"style", "class", "id", "hidden", "color", "bgcolor", "background", "text", "size"}
)  # and whether there is a target
_KEPT: Final = 2000  # appearances remembered
_KEEPS_BLANKS: Final = frozenset({"pre", "pre-wrap", "pre-line", "break-spaces"})
_PREFORMATTED: Final = frozenset({"pre", "listing", "textarea"})
_NOT_SHOWN: Final = frozenset({"svg", "template"})
_UNITS: Final = {"em": 16.0, "rem": 16.0, "in": 96.0, "cm": 38.0, "pt": 1.3, "%": 10.0, "vw": 10.0, "vh": 8.0}  # pixels
_RELATIVE: Final = ("em", "%", "ex", "ch")


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """How words of an element are shown; compared by identity, so it can key a cache."""

    hidden: str | None = None  # as `Hidden.reason`; nothing within can lift it
    invisible: bool = False  # `visibility`, which an element within can lift
    tiny: bool = False  # the font size is nothing, which an element within can lift
    colour: Colour | None = None  # of letters; None: not told, so readable
    ground: Colour | None = WHITE  # None: a picture or another value that is not known
    preformatted: bool = False
    quotes: int = 0  # blockquotes around
    unread: bool = False  # within an element whose words are never shown
    close: bool = False  # a paragraph without margin below
    plain_list: bool = False  # a list without marks
    reason: str | None = None  # why words directly in the element are hidden; None: they are shown
    shown: bool = True  # words are shown, and their blanks collapse


class Stylist:
    """The appearance of elements of one page; equal elements in equal places are computed once."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._known: dict[tuple[object, ...], Appearance] = {}
        styled = {re.split(r"[.#]", key, maxsplit=1)[0] for key in (*sheet.rules, *sheet.unsure)}
        self._names = _MARKED | styled
        self._all = bool({"", "*"} & {*sheet.rules, *sheet.unsure})

    def styled(self, name: str) -> bool:
        """Whether an element *name* without attributes can differ from its parent."""
        return self._all or name in self._names

    def within(self, parent: Appearance, name: str, attributes: Mapping[str, str]) -> Appearance:
        """The appearance of an element *name* with *attributes*, in *parent*."""
        used = tuple([each for each in attributes.items() if each[0] in _ATTRIBUTES])
        link = "href" in attributes
        if not (used or link or self.styled(name)):
            return parent
        key = (parent, name, link, used)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[key] = self._compute(parent, name, attributes)
        return known

    def _compute(self, parent: Appearance, name: str, attributes: Mapping[str, str]) -> Appearance:
        values = merge(self._layers(name, attributes))
        unsure = self._unsure(name, attributes)
        flags = ("hidden" in attributes, "size" in attributes, "href" in attributes)
        close = attributes.get("class", "")[:3].lower() == "mso"
        # Elements of many classes and few styles: what their rules come to is computed once.
        key = (parent, name, flags, close, frozenset(unsure) if unsure else None, *values.items())
        known = self._known.get(key)
        if known is None:
            look = _look(parent, name, attributes, values, unsure)
            known = self._known[key] = parent if _same(look, parent) else look
        return known

    def _layers(self, name: str, attributes: Mapping[str, str]) -> Iterable[Declared]:
        if name == "font" and (value := attributes.get("color")):
            yield {"color": (False, value)}
        for attribute in ("bgcolor", "background"):
            if value := attributes.get(attribute):
                yield {"background": (False, value if attribute == "bgcolor" else "url()")}
        if name == "body" and (value := attributes.get("text")):
            yield {"color": (False, value)}
        if self._sheet.rules:
            rules = self._sheet.rules
            yield rules.get("", {})
            yield from (rules[key] for key in self._sheet.keys(name, attributes) if key in rules)
        if style := attributes.get("style"):
            yield _declared(style)

    def _unsure(self, name: str, attributes: Mapping[str, str]) -> set[str]:
        """Colour properties that a rule which was not read may set."""
        unsure = self._sheet.unsure
        if not unsure:
            return set()
        words = ("*", name, *attributes.get("class", "").split(), *attributes.get("id", "").split())
        return set().union(*(unsure[word] for word in words if word in unsure))


def _declared(style: str) -> Declared:
    return _known_style(style) if len(style) < _LONGEST_KNOWN else read_declarations(style)


_LONGEST_KNOWN: Final = 300  # characters of a `style` that is remembered
_known_style: Final = lru_cache(maxsize=1024)(read_declarations)  # programs write the same ones in each mail
_MARKED: Final = _PREFORMATTED | _NOT_SHOWN | {"blockquote"}


def _look(
    parent: Appearance, name: str, attributes: Mapping[str, str], values: Mapping[str, str], unsure: set[str]
) -> Appearance:
    hidden = parent.hidden or _hiding(attributes, values)
    invisible = _invisible(values.get("visibility", ""), parent=parent.invisible)
    tiny = _tiny(values, attributes if name == "font" else {}, parent=parent.tiny)
    colour = _letters(parent.colour, values, link=name == "a" and "href" in attributes)
    ground = _ground(parent.ground, values)
    if unsure:
        colour = None if "color" in unsure else colour
        ground = None if unsure - {"color"} else ground
    unreadable = "colour" if colour and alike(colour, ground) else None
    reason = hidden or ("display" if invisible else "size" if tiny else unreadable)
    unread = parent.unread or name in _NOT_SHOWN
    preformatted = _preformatted(name, values.get("white-space"), parent=parent.preformatted)
    return Appearance(
        hidden=hidden,
        invisible=invisible,
        tiny=tiny,
        colour=colour,
        ground=ground,
        preformatted=preformatted,
        quotes=parent.quotes + (name == "blockquote"),
        unread=unread,
        close=_close(attributes, values),
        plain_list="none" in (values.get("list-style"), values.get("list-style-type")),
        reason=reason,
        shown=not (reason or preformatted or unread),
    )


_FIELDS: Final = attrgetter(*Appearance.__slots__)


def _same(one: Appearance, other: Appearance) -> bool:
    return bool(_FIELDS(one) == _FIELDS(other))


def _hiding(attributes: Mapping[str, str], values: Mapping[str, str]) -> str | None:
    """Why an element and all within is hidden, as far as nothing within can lift it."""
    display = values.get("display", "")
    if display == "none" or values.get("mso-hide") == "all" or values.get("content-visibility") == "hidden":
        return "display"
    if "hidden" in attributes and not display:
        return "attribute"
    if _no_opacity(values.get("opacity")) or _clipped(values) or leaves_nothing(values):
        return "size"
    return "offscreen" if _offscreen(values) or is_moved_away(values) else None


def _no_opacity(value: str | None) -> bool:
    amount, unit = _length(value)
    return amount is not None and amount / (100 if unit == "%" else 1) <= 0.05


def _clipped(values: Mapping[str, str]) -> bool:
    if "clip" in values and values.get("position") == "absolute":
        numbers = [float(number) for number, _ in _LENGTH.findall(values["clip"])]
        return bool(numbers) and max(numbers) <= 1
    if not any(values.get(name) == "hidden" for name in ("overflow", "overflow-x", "overflow-y")):
        return False
    amounts = (_length(values.get(name))[0] for name in ("max-height", "height", "max-width", "width"))
    return any(amount is not None and 0 <= amount < 1 for amount in amounts)


def _offscreen(values: Mapping[str, str]) -> bool:
    places = ["text-indent", "margin-left"]
    if values.get("position", "static") not in ("", "static"):
        places += ["left", "top", "right"]
        if _pixels(values.get("left")) > _FAR_RIGHT:
            return True
    return any(_pixels(values.get(place)) < _FAR for place in places)


def _invisible(value: str, *, parent: bool) -> bool:
    if value in ("hidden", "collapse"):
        return True
    return parent and value in ("", "inherit")


def _tiny(values: Mapping[str, str], attributes: Mapping[str, str], *, parent: bool) -> bool:
    size = values.get("font-size")
    if size is None and "font" in values:
        size = _font_size(values["font"])
    if size is None and "size" in attributes:
        return False
    size = size.removeprefix("calc(") if size else size
    if not size or size == "inherit":
        return parent
    amount, unit = _length(size)
    if amount is None:
        return False
    if unit in _RELATIVE:
        return parent or amount * (0.16 if unit == "%" else 16) <= 1
    return amount <= 1 if unit != "rem" else amount <= 0.07


def _font_size(shorthand: str) -> str | None:
    """The size of a `font` value; a number without unit is a weight unless it is 0."""
    for amount, unit in _LENGTH.findall(shorthand.partition("/")[0]):
        if unit or float(amount) == 0:
            return str(amount) + str(unit)
    return None


def _letters(parent: Colour | None, values: Mapping[str, str], *, link: bool) -> Colour | None:
    value = values.get("-webkit-text-fill-color") or values.get("color")
    if value in (None, "inherit", "currentcolor", "unset"):
        return None if link and value is None else parent
    return read_colour(value)


def _ground(parent: Colour | None, values: Mapping[str, str]) -> Colour | None:
    shown = [values[name] for name in ("background", "background-color", "background-image") if name in values]
    for value in shown:
        if "url(" in value or "gradient" in value or "var(" in value:
            return None
    ground = parent
    for value in shown:
        if value in ("", "inherit", "none", "initial", "unset"):
            continue
        colour = _colour_of_ground(value)
        ground = parent if colour == TRANSPARENT else colour
    return ground


def _colour_of_ground(value: str) -> Colour | None:
    """The colour in a `background`, which may name a repeat and a position too."""
    whole = read_colour(value)
    if whole or "(" in value:
        return whole
    return next((colour for word in value.split() if (colour := read_colour(word))), None)


def _preformatted(name: str, white_space: str | None, *, parent: bool) -> bool:
    if white_space and white_space != "inherit":
        return white_space in _KEEPS_BLANKS
    return parent or name in _PREFORMATTED


def _close(attributes: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Whether a paragraph is a line without a blank one below, as Outlook writes each line."""
    margin = values.get("margin-bottom")
    if margin is None:
        words = values.get("margin", "").split()
        margin = words[2 if len(words) > 2 else 0] if words else None
    if margin is not None:
        return _length(margin)[0] == 0
    return attributes.get("class", "").lower().startswith("mso")


def _pixels(value: str | None) -> float:
    amount, unit = _length(value)
    if amount is None:
        return 0.0
    return amount * {"em": 16.0, "rem": 16.0, "in": 96.0, "cm": 38.0, "pt": 1.3, "%": 10.0, "vw": 10.0, "vh": 8.0}.get(
        unit, 1.0
    )


def _length(value: str | None) -> tuple[float | None, str]:
    found = _LENGTH.match(value) if value else None
    return (float(found[1]), found[2]) if found else (None, "")
