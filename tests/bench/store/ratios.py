"""The table of what both stores took."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.report import Results
from tests.bench.store.pairs import MOST, Answer, Pair

_HEADINGS: Final = ("rows", "empty µs", "full µs", "ratio", "empty µs", "full µs", "ratio", "")


def print_ratios(title: str, answers: Sequence[Answer], console: Console) -> None:
    """A row a question: undisturbed, then after another's commit; each as median and (99th percentile)."""
    table = Table(title=title, title_justify="left")
    table.add_column("question", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for answer in answers:
        table.add_row(answer.name, _rows(answer), *_cells(answer.warm), *_cells(answer.touched), _mark(answer))
    console.print(table)


def results_of(answer: Answer) -> Results:
    """The same for a script; times in microseconds."""
    found: Results = {"kind": answer.kind, "rows": [answer.empty_rows, answer.full_rows], "slow": answer.is_slow}
    for name, pair in (("warm", answer.warm), ("touched", answer.touched)):
        if pair is not None:
            found[name] = {
                "empty": pair.empty.median,
                "full": pair.full.median,
                "empty_p99": pair.empty.p99,
                "full_p99": pair.full.p99,
                "ratio": pair.ratio,
            }
    return found


def _rows(answer: Answer) -> str:
    same = answer.empty_rows == answer.full_rows
    return str(answer.full_rows) if same else f"{answer.empty_rows} / {answer.full_rows}"


def _cells(pair: Pair | None) -> list[str]:
    if pair is None:
        return ["", "", ""]
    times = [f"{side.median:.0f} ({side.p99:.0f})" for side in (pair.empty, pair.full)]
    return [*times, f"{pair.ratio:.2f}"]


def _mark(answer: Answer) -> str:
    if answer.empty_rows != answer.full_rows:
        return "NOT THE SAME"
    if answer.is_slow:
        return f"OVER {MOST:g}"
    return "" if answer.kind == "read" else answer.kind
