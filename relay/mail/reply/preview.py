"""The preview of a message: the first characters of its new text, on one line."""

from typing import Final

PREVIEW_LENGTH: Final = 200  # characters


def preview(reply: str) -> str:
    """The first PREVIEW_LENGTH characters of *reply*, with each run of blanks and line ends as one blank."""
    words = reply.split(None, PREVIEW_LENGTH)[:PREVIEW_LENGTH]
    return " ".join(word[:PREVIEW_LENGTH] for word in words)[:PREVIEW_LENGTH].rstrip()
