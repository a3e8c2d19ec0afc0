"""The frame of a mail that is signed with PGP in its text (RFC 4880 §7): removed, its text stays."""

import re
from typing import Final

_BEGIN: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"
_HEADERS: Final = re.compile(r"(?:\n(?:Hash|Charset|NotDashEscaped): [^\n]{0,200}){0,8}\n\s{0,3}\n")
_ESCAPED: Final = re.compile(r"^- ", re.MULTILINE)


def without_pgp_frame(text: str) -> str:
    """*text* without the first frame, its headers, its signature and its escaped dashes."""
    begin = text.find(_BEGIN)
    signature = text.find(_SIGNATURE, begin) if begin >= 0 else -1
    if signature < 0 or (begin and text[begin - 1] != "\n"):
        return text
    closing = text.find("-----END PGP SIGNATURE-----", signature)
    behind = text[closing + 27 :] if closing >= 0 else ""
    start = begin + len(_BEGIN)
    if headers := _HEADERS.match(text, start):
        start = headers.end()
    return text[:begin] + _ESCAPED.sub("", text[start:signature]).rstrip("\n") + "\n" + behind.lstrip("\n")
