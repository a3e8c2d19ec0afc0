"""``python -m tests.bench``: measure the daemon against the naive server, print one table and one JSON line."""

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import servers, world
from tests.bench.parts import FRESH, NULL, PARTS, SERVED, Bench, count_fsyncs, play_rounds, send_big, send_out
from tests.bench.reading import measure_reading
from tests.bench.report import Results, print_table, to_json
from tests.bench.servers import Target

PROGRAM: Final = f"{shlex.quote(sys.executable)} -m relay.cli"
_LIMIT: Final = 150  # seconds after which no further round begins


def main() -> int:
    """Run what was asked; 1 if a part failed (a missed aim is no failure)."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _work(options.keep) as directory:
        bench = Bench(
            work=directory,
            mails=options.mails,
            senders=options.senders,
            runs=options.runs,
            parts=tuple(options.only or PARTS),
            url=options.url,
            program=tuple(shlex.split(options.program)),
            deadline=time.monotonic() + options.limit,
        )
        results = _run(bench)
    print_table(results, Console(width=None if sys.stdout.isatty() else 160))
    for part, why in results["failed"].items():
        print(f"{part} failed: {why}", file=sys.stderr)
    print(to_json(results), flush=True)
    return 1 if results["failed"] else 0


@contextmanager
def _work(keep: Path | None) -> Iterator[Path]:
    """Where databases and logs go: *keep*, which must be new, or a directory that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mailseal-bench-") as directory:
        yield Path(directory)


def _run(bench: Bench) -> Results:
    """Make the world, start the servers, play the parts."""
    began = time.monotonic()
    _make_world(bench)
    extra: Results = {}
    with ExitStack() as stack:
        bench = replace(
            bench,
            dns_port=stack.enter_context(servers.dns(bench.work)),
            sink_port=stack.enter_context(servers.sink(bench.work)),
        )
        targets = _start(bench, stack)
        play_rounds(bench, targets)
        if "fsyncs" in bench.parts and FRESH in targets:
            extra["fsyncs"] = bench.attempt("fsyncs", lambda: count_fsyncs(bench, targets[FRESH]))
    if "big" in bench.parts:
        with servers.dns(bench.work) as port:
            alone = replace(bench, dns_port=port)
            extra["big"] = bench.attempt("big", lambda: send_big(alone))
    if "sending" in bench.parts:
        extra["sending"] = bench.attempt("sending", lambda: send_out(bench))
    if "reading" in bench.parts:
        extra["reading"] = bench.attempt("reading", measure_reading)
    return {**bench.results(), **extra, "seconds": time.monotonic() - began}


def _make_world(bench: Bench) -> None:
    private, public = world.make_key()
    world.write_zone(bench.work / "zone.json", world.make_zone(public))
    world.write_corpus(bench.work / "corpus.json", list(world.letters(private)))
    if "big" in bench.parts:
        world.write_corpus(bench.work / "big.json", [world.large_letter(private)])


def _start(bench: Bench, stack: ExitStack) -> dict[str, Target]:
    """The servers that the wanted parts need; one that does not start fails its parts alone."""
    targets: dict[str, Target] = {}

    def start(name: str) -> None:
        server = (
            bench.daemon("ours", bench.sink_port) if name == FRESH else servers.naive(bench.work, idle=name == NULL)
        )
        targets[name] = stack.enter_context(server)

    for name, parts in SERVED.items():
        wanted = [part for part in parts if part in bench.parts]
        if wanted:
            bench.attempt(wanted[0], partial(start, name))
        if wanted and name not in targets:
            bench.failed.update(dict.fromkeys(wanted[1:], f"not run, see {wanted[0]}"))
    return targets


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--mails", type=int, default=2000, help="in a round (2000)")
    parser.add_argument("--senders", type=int, default=20, help="at once (20)")
    parser.add_argument("--runs", type=int, default=3, help="rounds of each kind (3)")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone")
    parser.add_argument("--url", help="MAILSEAL_DATABASE_URL, to measure on PostgreSQL")
    parser.add_argument("--program", default=PROGRAM, help=f"the mailseal command to measure ({PROGRAM})")
    parser.add_argument("--keep", type=Path, help="a new directory to keep databases and logs in, to look into after")
    parser.add_argument("--limit", type=float, default=_LIMIT, help=f"seconds for the whole ({_LIMIT})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
