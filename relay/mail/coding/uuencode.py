"""Read uuencoded files, in the text of a body or as a transfer encoding.

The format of POSIX ``uuencode``: a line ``begin MODE NAME``, lines that start with their length,
a line ``end``. Linear; at most 100 files and half a million lines are read.
"""

import re
from binascii import Error, a2b_base64, a2b_uu
from typing import Final

MAX_FILES: Final = 100
_MAX_LINES: Final = 500_000
_BEGIN: Final = re.compile(rb"^begin(-base64)? [0-7]{3,4} +([^\r\n]{1,300}?)[ \t]*\r?$", re.MULTILINE)
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]")


def take_uuencoded(text: str) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """*text* without its uuencoded blocks, and the files ``(name, content)`` in them.

    A line ``begin`` that no encoded line or ``end`` follows is text. Names are as written, not safe
    for a file system. A block that lacks its end reaches to the first line that is not encoded.

    Args:
        text: The plain text of a body with LF line ends, before format=flowed is unfolded.
    """
    if "begin" not in text:
        return text, ()
    data = text.encode("utf-8", "surrogatepass")
    kept: list[bytes] = []
    files: list[tuple[str, bytes]] = []
    at = 0
    for begin in _BEGIN.finditer(data):
        if begin.start() < at or len(files) >= MAX_FILES:
            continue
        found = _block(data, begin)
        if found is not None:
            content, end = found
            kept.append(data[at : begin.start()])
            files.append((begin[2].decode("utf-8", "replace"), content))
            at = end
    kept.append(data[at:])
    return b"".join(kept).decode("utf-8", "surrogatepass"), tuple(files)


def decode_uuencoded(data: bytes) -> bytes | None:
    """The content of the first block in *data* (Content-Transfer-Encoding: x-uuencode); None without one."""
    for begin in _BEGIN.finditer(data):
        if found := _block(data, begin):
            return found[0]
    return None


def _block(data: bytes, begin: re.Match[bytes]) -> tuple[bytes, int] | None:
    """The content of the block that *begin* opens and the offset behind it; None if it is no block."""
    at = begin.end() + 1
    out: list[bytes] = []
    for _ in range(_MAX_LINES):
        line_end = data.find(b"\n", at, at + 400)
        if line_end < 0:
            line_end = min(len(data), at + 400)
        line = data[at:line_end].rstrip(b"\r")
        if line.rstrip() in (b"end", b"===="):
            return b"".join(out), min(line_end + 1, len(data))
        content = _line64(line) if begin[1] else _line(line)
        if content is None or at >= len(data):
            break
        out.append(content)
        at = line_end + 1
    return (b"".join(out), min(at, len(data))) if any(out) else None


def _line(line: bytes) -> bytes | None:
    """The bytes of one encoded *line*; None if it is not encoded."""
    if not line.rstrip():
        return b""  # a length of zero, whose space was cut
    if not 0x20 <= line[0] <= 0x60:
        return None
    size = (line[0] - 32) & 63
    signs = (size + 2) // 3 * 4
    # Blanks at the end, which encode zero bytes, may be cut; a checksum sign may follow.
    if not (signs <= len(line) - 1 <= signs + 2 or signs // 2 <= len(line.rstrip()) - 1 <= signs):
        return None
    try:
        return a2b_uu(line[: signs + 1])
    except Error:
        return None


def _line64(line: bytes) -> bytes | None:
    if not line or len(line) % 4 or _NOT_BASE64.search(line):
        return None
    try:
        return a2b_base64(line)
    except Error:
        return None
