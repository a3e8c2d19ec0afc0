"""What each HTML element does to lines and to the elements around it (HTML Living Standard §13.2.6, §15)."""

from typing import Final

_LINES: Final = (
    "address article aside body button caption center dd details dialog dir div dt fieldset figcaption footer form "
    "frameset header hgroup html iframe legend main nav option optgroup search section select summary tbody textarea "
    "tfoot thead blockquote"
)
_SPACED: Final = "p h1 h2 h3 h4 h5 h6 pre listing xmp plaintext dl figure hr"

# Line ends before and after an element.
ENDS: Final = {**dict.fromkeys(_LINES.split(), 1), **dict.fromkeys(_SPACED.split(), 2)}

VOID: Final = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "keygen",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "image",
    ]
)
# Elements that stay open over the end of a block, and that an end tag closes from within one.
FORMATTING: Final = frozenset(
    ["b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u", "a"]
)
LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})

# No end tag reaches out of these, except the end tags of tables.
SCOPES: Final = frozenset({"table", "td", "th", "caption", "object", "applet", "marquee", "template", "html"})
TABLE_PARTS: Final = frozenset({"td", "th", "tr", "tbody", "thead", "tfoot", "caption", "table", "colgroup"})
SPECIAL: Final = frozenset(ENDS) | SCOPES | TABLE_PARTS | LISTS | {"li"}

# A start tag closes these elements, unless one of the second set lies between.
_CELLS: Final = ("td", "th")
CLOSES: Final[dict[str, tuple[tuple[str, ...], frozenset[str]]]] = {
    "li": (("li",), LISTS | SCOPES),
    "dd": (("dd", "dt"), SCOPES | {"dl"}),
    "dt": (("dd", "dt"), SCOPES | {"dl"}),
    "td": (_CELLS, frozenset({"table", "tr"})),
    "th": (_CELLS, frozenset({"table", "tr"})),
    "tr": (("tr",), frozenset({"table"})),
    **dict.fromkeys(("tbody", "thead", "tfoot"), (("tbody", "thead", "tfoot", "tr", "caption"), frozenset({"table"}))),
    "option": (("option",), frozenset({"select"})),
    "optgroup": (("optgroup", "option"), frozenset({"select"})),
    "button": (("button",), SCOPES),
    "a": (("a",), SCOPES),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), (("h1", "h2", "h3", "h4", "h5", "h6"), SPECIAL)),
}
# Blocks whose start ends an open paragraph.
ENDS_PARAGRAPH: Final = (SPECIAL - SCOPES - TABLE_PARTS | {"table"}) - {
    "body",
    "option",
    "optgroup",
    "button",
    "select",
}

# An HTML start tag of these ends a drawing that was not closed.
OUT_OF_DRAWING: Final = frozenset(
    [
        "b",
        "big",
        "blockquote",
        "body",
        "br",
        "center",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "embed",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "hr",
        "i",
        "img",
        "li",
        "listing",
        "menu",
        "meta",
        "nobr",
        "ol",
        "p",
        "pre",
        "ruby",
        "s",
        "small",
        "span",
        "strong",
        "strike",
        "sub",
        "sup",
        "table",
        "tt",
        "u",
        "ul",
        "var",
    ]
)
