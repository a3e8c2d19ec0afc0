"""Files that go with a mail, for saving: a stranger wrote them, and no browser is to show them as ours."""

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

FOR_SAVING: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


def file_answer(content: bytes, *, filename: str, content_type: str) -> Response:
    """*content* to be saved as *filename*."""
    headers = FOR_SAVING | {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
        # Said here and not as media_type: Starlette would add a charset to text, and it is not ours to say.
        "Content-Type": _printable_type(content_type),
    }
    return Response(content, headers=headers)


def _printable_type(content_type: str) -> str:
    """A stranger's media type, if it can stand in a header at all."""
    usable = content_type.isascii() and content_type.isprintable() and " " not in content_type
    return content_type if usable else "application/octet-stream"
