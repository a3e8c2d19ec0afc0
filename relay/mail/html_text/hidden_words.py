"""Words that a page holds and does not show, in order."""

from typing import Final

from relay.mail.html_text.html_text import Hidden
from relay.mail.html_text.invisible import collapse

MAX_ENTRIES: Final = 20
MAX_TEXT: Final = 500


class HiddenWords:
    """Collects hidden text; what follows without shown words between is one entry."""

    def __init__(self) -> None:
        self._entries: list[Hidden] = []
        self._reason = ""
        self.pending = False  # hidden text may still be added to the last entry
        self._pieces: list[str] = []
        self._length = 0

    def add(self, reason: str, text: str) -> None:
        """Hidden *text*."""
        if reason != self._reason:
            self.close()
            self._reason, self.pending = reason, True
        if self._length <= MAX_TEXT and len(self._entries) < MAX_ENTRIES:
            self._pieces.append(text[: 4 * MAX_TEXT])
            self._length += len(text.strip()[: 4 * MAX_TEXT]) + 1

    def close(self) -> None:
        """Shown words, or another element, follow."""
        if not self._reason:
            return
        text = collapse("".join(self._pieces))[:MAX_TEXT]
        if text and len(self._entries) < MAX_ENTRIES:
            self._entries.append(Hidden(self._reason, text))
        self._reason, self.pending = "", False
        self._pieces, self._length = [], 0

    def found(self) -> tuple[Hidden, ...]:
        """All entries."""
        self.close()
        return tuple(self._entries)
