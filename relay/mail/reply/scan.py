"""One pass over the lines of a text that leaves out quoted history, adverts and signatures."""

from typing import Final

from relay.mail.reply.adverts import LINK_LINE, is_advert
from relay.mail.reply.attribution import COLONS, MOST_LINES, attribution
from relay.mail.reply.dividers import (
    SIGNS,
    asks_to_reply_above,
    begins_original,
    divided_words,
    is_rule,
    names_original,
)
from relay.mail.reply.forward import announces_forward, says_forwarded
from relay.mail.reply.header_block import begins_block, may_begin_block
from relay.mail.reply.lines import bare, bare_lines, following
from relay.mail.reply.quotes import block_end, is_quoted, opens_unmarked_quote, unquoted
from relay.mail.reply.signature import DELIMITERS, is_signature

_QUOTE_WITHIN: Final = 4  # lines below an attribution in which its quote begins
_MOST_BLOCKS: Final = 200  # lines of a text that are examined as the first of a header block
_BOUNDARIES: Final = ">_-=*"  # what begins a line that may follow an advert
_LINK_STARTS: Final = "<([hHwWa"
_MARKS: Final = frozenset(f">{SIGNS}{_BOUNDARIES}")  # what begins a quote, a divider or a signature


def is_all_new(text: str) -> bool:
    """Whether no line of *text* is anything that Scan may leave out: a quick look, and False where in doubt."""
    lines = bare_lines(text)
    return not any(_may_matter(line, below) for line, below in zip(lines, (*lines[1:], ""), strict=True) if line)


def _may_matter(line: str, below: str) -> bool:
    """Whether Scan may take *line*, which is bare and not blank, or what is below it."""
    if line[0] in _MARKS:
        return True
    if (":" in line or "\uff1a" in line) and (line.endswith(COLONS) or ":  " in line or may_begin_block(line)):
        return True
    is_last = not below or (below[0] in _LINK_STARTS and LINK_LINE.fullmatch(below) is not None)
    return is_last and (is_advert(line) or asks_to_reply_above(line))


class Scan:
    """The lines of a text, of which `kept` holds the new ones after `run`.

    `ended`: history begins, so all that follows is left out. `whole`: forwarded mail begins, so all that follows stays.
    """

    def __init__(self, text: str) -> None:
        self.kept: list[str] = []
        self.ended = self.whole = self.removed = False
        self._lines = text.split("\n")
        self._bare = bare_lines(text)
        self._number = 0
        self._attributed = False
        self._blocks = 0
        self._gap = False  # the last thing was left out, so a blank line would be a second one
        self._signature: int | None = None  # where in `kept` a signature may have begun

    def run(self, *, complete: bool) -> None:
        """Read all lines. *complete*: no text follows them, so the last of them may be a signature."""
        while self._number < len(self._lines) and not self.ended:
            self._step(self._lines[self._number], self._bare[self._number])
        if complete or self.ended:
            self._close_signature()
        if self.ended:
            self._trim()

    def _step(self, raw: str, line: str) -> None:
        if not line:
            self._keep_blank()
        elif is_quoted(line, initials=self._attributed):
            self._take_quote(line)
        elif raw in DELIMITERS and self._signature is None:
            self._signature = len(self.kept)
            self._keep(raw)
        elif not self._takes(line):
            self._keep(raw)

    def _takes(self, line: str) -> bool:
        """Whether *line* is, or begins, something that is not the new text."""
        if line[0] in SIGNS and self._takes_divider(line):
            return True
        if (":" in line or "\uff1a" in line) and (self._takes_attribution(line) or self._takes_block(line)):
            return True
        return self._at_boundary(self._number + 1) and self._takes_last(line)

    def _takes_last(self, line: str) -> bool:
        """Whether *line*, the last of its paragraph, is the delimiter of a ticket system or an advert."""
        if (not self.kept or not self.kept[-1].strip(SIGNS)) and asks_to_reply_above(line):
            self._end()
        elif is_advert(line):
            self._leave_out(self._number + 1 + self._link_follows())
        else:
            return False
        return True

    def _keep(self, raw: str) -> None:
        self.kept.append(raw)
        self._number += 1
        self._gap = False

    def _keep_blank(self) -> None:
        if self._gap and not (self.kept and self.kept[-1].strip()):
            self._number += 1
        else:
            self.kept.append("")
            self._number += 1

    def _leave_out(self, until: int) -> None:
        self._number = until
        self._gap = self.removed = True

    def _end(self) -> None:
        self._drop_advert_above()
        self.ended = self.removed = True

    def _drop_advert_above(self) -> None:
        """Take off the advert that is directly above an attribution or a block."""
        if self.kept and (above := bare(self.kept[-1])) and is_advert(above):
            self.kept.pop()

    def _keep_rest(self) -> None:
        """Forwarded mail begins: everything that follows stays as it is."""
        self._close_signature()
        self.kept += self._lines[self._number :]
        self._number = len(self._lines)
        self.whole = True

    def _take_quote(self, line: str) -> None:
        if opens_unmarked_quote(line):
            self._end()
            return
        end = block_end(self._lines, self._number, initials=self._attributed)
        above = self._above()
        introduced = above.endswith(COLONS)
        if (introduced or says_forwarded(above)) and self._quotes_mail(above, end):
            self._keep_rest()
        elif introduced and not self._attributed:
            self.kept += self._lines[self._number : end]
            self._number = end
        else:
            self._close_signature()
            self._leave_out(end)

    def _quotes_mail(self, above: str, end: int) -> bool:
        """Whether the quoted block is a forwarded mail: it begins with a header block, or is announced *above*."""
        block = unquoted(self._lines[self._number : min(end, self._number + 16)])
        return announces_forward(above) or (bool(block) and begins_block(block, 0, bare(block[0])))

    def _takes_divider(self, line: str) -> bool:
        if not (words := divided_words(line)):
            return False
        original = begins_original(line, words)
        if not original and (says_forwarded(words) or self._block_follows()):
            self._keep_rest()
        elif original or asks_to_reply_above(line):
            self._end()
        else:
            return False
        return True

    def _takes_attribution(self, line: str) -> bool:
        if not line.endswith(COLONS):
            return self._takes_running_attribution(line)
        below = following(self._lines, self._number + 1, within=_QUOTE_WITHIN)
        quoted = below is not None and is_quoted(self._bare[below], initials=True)
        count = attribution(self.kept[-MOST_LINES:], line, quoted=quoted)
        if not count:
            return False
        if count > 1:
            del self.kept[1 - count :]
        self._attributed = True
        if not quoted or below is None:
            self._end()
            return True
        self._drop_advert_above()
        self._close_signature()
        self._leave_out(block_end(self._lines, below, initials=True))
        return True

    def _takes_running_attribution(self, line: str) -> bool:
        """Whether the quote begins on the line of its attribution, as in the app of Yahoo."""
        head, blanks, _ = line.partition(":  ")
        if not blanks or not attribution((), f"{head}:", quoted=False):
            return False
        self._end()
        return True

    def _takes_block(self, line: str) -> bool:
        if self._blocks >= _MOST_BLOCKS or not may_begin_block(line):
            return False
        self._blocks += 1
        above = self._above()
        if not begins_block(self._lines, self._number, line, ruled=is_rule(above)):
            return False
        if announces_forward(above):
            self._keep_rest()
        else:
            self._end()
        return True

    def _block_follows(self) -> bool:
        below = following(self._lines, self._number + 1)
        return below is not None and begins_block(self._lines, below, self._bare[below], ruled=True)

    def _above(self) -> str:
        """The last kept line that is not blank, among the last three."""
        return next((line for line in map(bare, reversed(self.kept[-3:])) if line), "")

    def _at_boundary(self, number: int) -> bool:
        if number >= len(self._lines):
            return True
        line = self._bare[number]
        return not line or line[0] in _BOUNDARIES or (line[0] in _LINK_STARTS and LINK_LINE.fullmatch(line) is not None)

    def _link_follows(self) -> int:
        below = self._number + 1
        return int(below < len(self._lines) and LINK_LINE.fullmatch(self._bare[below]) is not None)

    def _close_signature(self) -> None:
        if self._signature is not None and is_signature(self.kept[self._signature :]):
            del self.kept[self._signature :]
            self._gap = self.removed = True
        self._signature = None

    def _trim(self) -> None:
        """Take off what announced the history: rules, "Original Message" without dashes, blank lines."""
        while self.kept and (not (line := bare(self.kept[-1])) or is_rule(line) or names_original(line)):
            self.kept.pop()
