"""Unfold text/plain with ``format=flowed`` (RFC 3676)."""

from typing import Final

_SIGNATURE: Final = "-- "


def unflow(text: str, *, delsp: bool) -> str:
    """*text* with each paragraph on one line (RFC 3676 §4.1, §4.2).

    A line that ends in a space flows into the next line of the same quote depth. The signature
    separator never flows. A stuffed space is removed; it remains before ``>``, so that no line of
    the author becomes a quote. Quoted lines keep their ``>`` marks and one space.

    Args:
        text: Decoded text with LF line ends.
        delsp: The parameter ``delsp=yes``: the space at the end of a flowed line is no content.
    """
    out: list[str] = []
    open_depth = -1  # of the paragraph that the next line may continue; -1 if there is none
    paragraph: list[str] = []
    for line in text.split("\n"):
        depth, content = _unquote(line)
        if depth != open_depth or content == _SIGNATURE:
            out += _joined(paragraph, open_depth)
            paragraph = []
        flowing = content.endswith(" ") and content != _SIGNATURE
        paragraph.append(content[:-1] if flowing and delsp else content)
        open_depth = depth
        if not flowing:
            out += _joined(paragraph, depth)
            paragraph, open_depth = [], -1
    return "\n".join(out + _joined(paragraph, open_depth))


def _unquote(line: str) -> tuple[int, str]:
    """The quote depth of *line*, and its content without marks and stuffing."""
    content = line.lstrip(">")
    depth = len(line) - len(content)
    if content.startswith(" ") and not (depth == 0 and content.startswith(" >")):
        content = content[1:]
    return depth, content


def _joined(paragraph: list[str], depth: int) -> list[str]:
    if not paragraph:
        return []
    content = "".join(paragraph)
    return [">" * depth + " " * (depth > 0 and content != "") + content]
