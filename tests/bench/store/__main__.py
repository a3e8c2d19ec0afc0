"""``python -m tests.bench.store.__main__``: the same questions to a store of a million messages and to an almost empty one.

Prints a table for each database and, as the last line of its output, one JSON object. The exit code is 1 when a read
cost more than twice its time on the empty store, or the two answers were not alike.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from store.database.connect import open_store
from store.engine import Store
from tests.bench.report import Results, described, machine, to_json
from tests.bench.store import fill
from tests.bench.store.databases import DATABASES, Urls, megabytes
from tests.bench.store.pairs import Answer, Neighbour, ask
from tests.bench.store.questions import QUESTIONS, Side, look_around
from tests.bench.store.ratios import print_ratios, results_of

_MESSAGES: Final = 1_000_000
_TURNS: Final = 300


def main() -> int:
    """Fill and ask what was wanted."""
    options = _options()
    results: Results = {"bench": "store", "messages": options.messages, "turns": options.turns}
    failed = False
    for name in options.only or DATABASES:
        with _directory(options.keep, name) as directory, DATABASES[name](directory) as urls:
            filled = _fill(urls, options.messages)
            if options.analyse and name == "sqlite":
                fill.analyse(urls)
            answers = list(_answers(urls, options))
            filled["after_mb"] = megabytes(urls["full"])
        _print(name, filled, answers, options)
        results[name] = {**filled, "questions": {answer.name: results_of(answer) for answer in answers}}
        failed = failed or any(answer.is_slow or answer.empty_rows != answer.full_rows for answer in answers)
    print(to_json(results), flush=True)
    return 1 if failed else 0


@contextmanager
def _directory(keep: Path | None, name: str) -> Iterator[Path]:
    """Where a database lies: below *keep*, where it must be new, or where it is gone afterwards."""
    if keep is not None:
        (keep / name).mkdir(parents=True)
        yield (keep / name).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _fill(urls: Urls, messages: int) -> Results:
    now = datetime.now(UTC)
    tell = partial(print, file=sys.stderr, flush=True)
    fill.fill(urls["empty"], fill.EMPTY, now=now, tell=tell)
    seconds = fill.fill(urls["full"], fill.full(messages), now=now, tell=tell)
    return {"now": now.isoformat(), "seconds": seconds, "mb": megabytes(urls["full"])}


def _answers(urls: Urls, options: argparse.Namespace) -> Iterator[Answer]:
    now = datetime.now(UTC)
    with ExitStack() as stack:
        empty, full = (_side(stack, name, urls[name], now) for name in ("empty", "full"))
        neighbours = [Neighbour(side, _opened(stack, urls[side.name])) for side in (empty, full)]
        for question in QUESTIONS:
            print(question.name, file=sys.stderr, flush=True)
            yield ask(question, empty, full, neighbours, turns=options.turns)


def _side(stack: ExitStack, name: str, url: str, now: datetime) -> Side:
    return look_around(name, _opened(stack, url), now=now)


def _opened(stack: ExitStack, url: str) -> Store:
    store = open_store(url)
    stack.callback(store.engine.dispose)
    return store


def _print(name: str, filled: Results, answers: list[Answer], options: argparse.Namespace) -> None:
    size = f"{options.messages} messages, {filled['mb']:.0f} MB, filled in {filled['seconds']:.0f} s"
    title = f"{name}: {size} ({described(machine())})\nundisturbed, then after another's commit: median (p99)"
    print_ratios(title, answers, Console(width=None if sys.stdout.isatty() else 160))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.store.__main__", description=__doc__)
    parser.add_argument("--messages", type=int, default=_MESSAGES, help=f"in the full store ({_MESSAGES})")
    parser.add_argument("--turns", type=int, default=_TURNS, help=f"askings of a question on each store ({_TURNS})")
    parser.add_argument("--only", nargs="+", choices=DATABASES, help="these databases alone")
    parser.add_argument("--analyse", action="store_true", help="run ANALYZE on SQLite, which the product does not")
    parser.add_argument("--keep", type=Path, help="a directory to keep the databases in; they need about 6 GB each")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
