"""Lay words out as lines of plain text, as a browser lays out a page's text (HTML `innerText`).

Line ends are pending until the next word, so runs of blocks leave one line end, paragraphs one empty line.
"""

from typing import Final

_TABS: Final = 8  # tabs in a row at most: spacer cells of a newsletter
_DEPTH: Final = 8  # quotation marks of a line at most


class Layout:
    """Text under construction."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._ends = 0  # pending line ends, 2 for an empty line
        self.blank = False  # a space is due before the next word
        self._spacer = False  # the line holds only blanks that do not collapse
        self._tabs = 0
        self._quotes = 0  # of the current line
        self._mark = ""  # of the list item that starts with the next word
        self._rows: list[int] = [0]  # for each open table: lines written when its row started
        self._cells: list[int] = [0]  # for each open table: cells of the current row
        self.lines = 0

    def text(self) -> str:
        """All that was written."""
        return "".join(self._out)

    def words(self, text: str, quotes: int = 0) -> None:
        """Write *text*, which holds no line end."""
        if self._ends or not self._out:
            self._new_line(quotes)
        elif self._tabs:
            self._out.append("\t" * min(self._tabs, _TABS))
        elif self.blank:
            self._out.append(" ")
        self._tabs, self.blank = 0, False
        self._out.append(text)

    def append(self, text: str) -> None:
        """Write *text* right behind the last word."""
        self._out.append(text)

    def spacer(self) -> None:
        """A blank that does not collapse: alone on a line it makes an empty one."""
        self.blank = self._spacer = True

    def block(self, ends: int) -> None:
        """Start a new line; *ends* is 2 for an empty line between."""
        if self._spacer:
            self._spacer = False
            if self._ends:
                self._ends = 2
        if not self._tabs:  # else the cell starts with a block
            self.blank = False
            self._ends = max(self._ends, ends)

    def line_end(self) -> None:
        """End the line, also an empty one."""
        self._tabs, self.blank, self._spacer = 0, False, False
        self._ends = min(self._ends + 1, 2)

    def item(self, mark: str) -> None:
        """Start a list item; *mark* is put before its first word."""
        self.block(1)
        self._mark = mark

    def table(self) -> None:
        """Start a table."""
        self.block(1)
        self._rows.append(self.lines)
        self._cells.append(0)

    def end_table(self) -> None:
        """End the innermost table."""
        self._start_line()
        if len(self._rows) > 1:
            self._rows.pop()
            self._cells.pop()

    def row(self) -> None:
        """Start a row."""
        self._start_line()
        self._rows[-1] = self.lines
        self._cells[-1] = 0

    def cell(self) -> None:
        """Start a cell: behind a tab where the row has one line, else on a new line."""
        self._cells[-1] += 1
        if self._cells[-1] == 1:
            return
        written = self.lines - self._rows[-1]
        if written > 1:
            self.block(1)
            self._rows[-1] = self.lines
        elif written == 1:
            self._ends, self.blank, self._spacer, self._mark = 0, False, False, ""
            self._tabs += 1

    def _start_line(self) -> None:
        self._tabs = 0
        self.block(1)

    def _new_line(self, quotes: int) -> None:
        if self._out:
            between = "> " * min(self._quotes, quotes)
            self._out.append("\n" if self._ends < 2 else "\n" + between.rstrip() + "\n")
        self._quotes = min(quotes, _DEPTH)
        self._out.append("> " * self._quotes + self._mark)
        self._ends, self._mark, self._spacer, self._tabs, self.blank = 0, "", False, 0, False
        self.lines += 1
