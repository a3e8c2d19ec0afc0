"""Colours of CSS (CSS Color 4 §4, §5), as far as one can be compared to another."""

import re
from typing import Final

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255

TRANSPARENT: Final = (-1, -1, -1)
WHITE: Final = (255, 255, 255)
_NEAR: Final = 12  # steps of a channel that no reader tells apart

_HEX: Final = re.compile(r"#([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})(?![0-9a-z])", re.IGNORECASE)
_BARE_HEX: Final = re.compile(r"[0-9a-f]{6}", re.IGNORECASE)
_FUNCTION: Final = re.compile(r"(rgba?|hsla?)\(([^()]*)\)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"-?[0-9]{0,9}\.?[0-9]{1,9}%?")
_NAMED: Final = {
    name: (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))
    for name, code in (
        pair.split(":")
        for pair in [
            "white:ffffff",
            "black:000000",
            "snow:fffafa",
            "ivory:fffff0",
            "ghostwhite:f8f8ff",
            "floralwhite:fffaf0",
            "azure:f0ffff",
            "mintcream:f5fffa",
            "whitesmoke:f5f5f5",
            "seashell:fff5ee",
            "honeydew:f0fff0",
            "aliceblue:f0f8ff",
            "linen:faf0e6",
            "oldlace:fdf5e6",
            "beige:f5f5dc",
            "lightyellow:ffffe0",
            "gainsboro:dcdcdc",
            "lightgray:d3d3d3",
            "lightgrey:d3d3d3",
            "silver:c0c0c0",
            "gray:808080",
            "grey:808080",
            "darkgray:a9a9a9",
            "darkgrey:a9a9a9",
            "dimgray:696969",
            "dimgrey:696969",
            "red:ff0000",
            "maroon:800000",
            "green:008000",
            "lime:00ff00",
            "olive:808000",
            "navy:000080",
            "blue:0000ff",
            "teal:008080",
            "aqua:00ffff",
            "cyan:00ffff",
            "purple:800080",
            "fuchsia:ff00ff",
            "magenta:ff00ff",
            "yellow:ffff00",
            "orange:ffa500",
            "darkred:8b0000",
            "darkblue:00008b",
            "darkgreen:006400",
            "lightblue:add8e6",
            "pink:ffc0cb",
            "brown:a52a2a",
            "gold:ffd700",
        ]
    )
}


def read_colour(value: str) -> Colour | None:
    """The one colour that *value* names; TRANSPARENT, or None where it is not known."""
    word = value.strip().lower()
    if word in ("transparent", "none"):
        return TRANSPARENT
    if word in _NAMED:
        return _NAMED[word]
    if found := _HEX.search(word):
        return _of_hex(found[1])
    if found := _FUNCTION.search(word):
        return _of_function(found[1], _NUMBER.findall(found[2])[:4])
    return _of_hex(word) if _BARE_HEX.fullmatch(word) else None


def alike(one: Colour | None, other: Colour | None) -> bool:
    """Whether a reader cannot tell letters of *one* from ground of *other*; unknown ones are told apart."""
    if one == TRANSPARENT:
        return True
    return bool(one and other) and all(abs(a - b) <= _NEAR for a, b in zip(one or (), other or (), strict=True))


def _of_hex(digits: str) -> Colour | None:
    if len(digits) < 5:
        digits = "".join(sign * 2 for sign in digits)
    if digits[6:]:
        return TRANSPARENT if digits[6:] == "00" else None if digits[6:] < "f0" else _of_hex(digits[:6])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _of_function(name: str, numbers: list[str]) -> Colour | None:
    if len(numbers) < 3:
        return None
    if len(numbers) == 4 and float(numbers[3].rstrip("%")) < 1:
        return TRANSPARENT if float(numbers[3].rstrip("%")) == 0 else None
    if name.startswith("hsl"):
        return _of_lightness(float(numbers[2].rstrip("%")))
    red, green, blue = (_channel(number) for number in numbers[:3])
    return red, green, blue


def _of_lightness(percent: float) -> Colour | None:
    """Black or white of an `hsl()`; what lies between is not computed."""
    return WHITE if percent >= 99 else (0, 0, 0) if percent <= 1 else None


def _channel(number: str) -> int:
    value = float(number.rstrip("%"))
    return max(0, min(255, round(value * 2.55 if number.endswith("%") else value)))
