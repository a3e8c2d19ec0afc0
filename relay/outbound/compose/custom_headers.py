"""Check the header fields that an agent adds: none about the sender, the recipients or the transport."""

import re
from collections.abc import Sequence
from typing import Final

from relay.errors import BadDraft
from relay.outbound.compose.header_line import MAX_LINE
from store.names import is_line

MAX_HEADERS: Final = 50
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,74}[A-Za-z0-9])?")
_SAFE: Final = frozenset(
    {"accept-language", "comments", "content-language", "expires", "importance", "keywords", "organization",
     "precedence", "priority", "sensitivity", "thread-topic"}
)  # fmt: skip
_PREFIXES: Final = ("x-", "list-")
# Our own, and those that a provider reads as instructions and does not send on.
_CLOSED: Final = ("x-mailseal-", "x-ses-")


def check_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Refuse more than 50, a name that agents may not use, a repeated name, and a value that is not one line.

    Raises BadDraft with the index.
    """
    if len(headers) > MAX_HEADERS:
        raise BadDraft(f"at most {MAX_HEADERS} headers of your own", field="headers", index=MAX_HEADERS)
    seen: set[str] = set()
    for index, (name, value) in enumerate(headers):
        problem = _problem(name, value, seen)
        if problem:
            raise BadDraft(problem, field="headers", index=index)
        seen.add(name.lower())


def _problem(name: str, value: str, seen: set[str]) -> str | None:
    lowered = name.lower()
    if not _NAME.fullmatch(name):
        return "a header's name has 1 to 76 letters, digits and inner hyphens"
    if lowered.startswith(_CLOSED) or not (lowered.startswith(_PREFIXES) or lowered in _SAFE):
        return f"{name}: agents may not set this header"
    if lowered in seen:
        return f"{name}: set twice"
    if not is_line(value) or not value.strip():
        return f"{name}: one line of printable characters"
    if len(name) + 2 + len(value) > MAX_LINE:
        return f"{name}: longer than {MAX_LINE} characters"
    return None
