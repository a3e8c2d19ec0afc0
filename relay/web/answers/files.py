"""Responses for untrusted files: downloaded, never rendered by the browser."""

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

FOR_SAVING: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


def file_answer(content: bytes, *, filename: str, content_type: str) -> Response:
    """A download of *content*, saved as *filename*."""
    headers = FOR_SAVING | {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
        # Not passed as media_type: Starlette would add a charset to text types, and the charset is unknown.
        "Content-Type": _printable_type(content_type),
    }
    return Response(content, headers=headers)


def _printable_type(content_type: str) -> str:
    """*content_type* if it is safe in a header, else ``application/octet-stream``."""
    usable = content_type.isascii() and content_type.isprintable() and " " not in content_type
    return content_type if usable else "application/octet-stream"
