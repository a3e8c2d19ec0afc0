"""``python -m tests.faults``: break a relay many times, and compare its store with a ledger of its replies.

Writes ``build/faults.json``: for each run its seed, the fault of each cycle, every reply, and what was found. Exits 1
when a promise was broken; the same ``--seed`` does the same faults again.
"""

import argparse
import asyncio
import json
import math
import random
import signal
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.forked import warm_up
from tests.faults.kinds import POSTGRESQL, SQLITE
from tests.faults.ledger import FINDINGS
from tests.faults.runs import Plan, Result, run
from tests.postgres_server import PrivateServer, private_postgres

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run what was asked; 1 if a promise was broken."""
    options = _options()
    warnings.simplefilter("ignore", ResourceWarning)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {options.seed}", flush=True)
    warm_up()
    plans = make_plans(options)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(private_postgres()) if any(plan.database == POSTGRESQL for plan in lane) else None
            for lane in _lanes(plans)
        ]
        results = asyncio.run(_run_all(_lanes(plans), servers, options))
    print_report(results)
    return 1 if any(result.ledger.faults for result in results) else 0


def make_plans(options: argparse.Namespace) -> list[Plan]:
    """The runs: the cycles shared out among the databases and numbers of daemons, in parts of a bounded size."""
    kinds = [(SQLITE, 1)] if SQLITE in options.databases else []
    kinds += [(POSTGRESQL, count) for count in options.daemons] if POSTGRESQL in options.databases else []
    plans, only = [], tuple(options.only or ())
    for place, (database, daemons) in enumerate(kinds):
        left = options.cycles // len(kinds) + (place < options.cycles % len(kinds))
        number = 0
        while left > 0:
            cycles = min(left, options.part)
            seed = options.seed + 10_000 * place + 100 * number
            plans.append(Plan(database, daemons, cycles, seed, only=only, number=number))
            left, number = left - cycles, number + 1
    return plans


def _lanes(plans: Sequence[Plan]) -> list[list[Plan]]:
    """The runs with the same number of daemons, one after the other; the lanes run at the same time."""
    lanes: dict[int, list[Plan]] = defaultdict(list)
    for plan in sorted(plans, key=lambda plan: plan.number):
        lanes[plan.daemons].append(plan)
    return list(lanes.values())


async def _run_all(
    lanes: Sequence[Sequence[Plan]], servers: Sequence[PrivateServer | None], options: argparse.Namespace
) -> list[Result]:
    """Carry out all runs, and write the ledger after each; none begins, or goes on, after the time that is given."""
    tell = partial(print, flush=True) if options.verbose else _say_nothing
    end = time.monotonic() + 60 * options.minutes
    results: list[Result] = []

    async def lane(plans: Sequence[Plan], server: PrivateServer | None) -> None:
        for plan in plans:
            if time.monotonic() < end:
                result = await run(plan, postgres=server and server.url, server=server, tell=tell, end=end)
                results.append(result)
                _print_result(result)
                _write(options.output, options.seed, results)

    await asyncio.gather(*(lane(plans, server) for plans, server in zip(lanes, servers, strict=True)))
    return results


def _print_result(result: Result) -> None:
    plan, ledger = result.plan, result.ledger
    print(
        f"{plan.database}, {plan.daemons} daemons, seed {plan.seed}: {len(result.cycles)} cycles in {result.seconds:.0f} s, "
        f"{len(ledger.promised)} promises, {len(ledger.posts)} events posted, {len(ledger.leases)} leases, "
        f"{sum(ledger.taken.values())} sent; {ledger.faults} broken",
        flush=True,
    )
    for kind, found in ledger.findings.items():
        for each in found[:10]:
            print(f"  {kind}: {each}", flush=True)


def _write(output: Path, seed: int, results: Sequence[Result]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    document = {"seed": seed, "runs": [_document(result) for result in results]}
    output.write_text(json.dumps(document, separators=(",", ":")))


def _document(result: Result) -> dict[str, Any]:
    plan, ledger = result.plan, result.ledger
    return {
        "database": plan.database,
        "daemons": plan.daemons,
        "seed": plan.seed,
        "cycles": result.cycles,
        "findings": ledger.findings,
        "statuses": result.statuses,
        "promised": ledger.promised,
        "provider": ledger.taken,
        "replies": ledger.entries,
    }


def print_report(results: Sequence[Result]) -> None:
    """Print the sums: cycles by fault, replies, and broken promises."""
    cycles = Counter((each["group"], result.plan.database) for result in results for each in result.cycles)
    print("\n| fault | SQLite | PostgreSQL |\n|---|---|---|")
    for group in dict.fromkeys(group for group, _ in cycles):
        print(f"| {group} | {cycles[group, SQLITE]} | {cycles[group, POSTGRESQL]} |")
    replies = Counter(
        (side, reply[:3] if side == "smtp" else reply)
        for result in results
        for *_, side, _, reply in result.ledger.entries
    )
    print("\n" + ", ".join(f"{side} {reply}: {count}" for (side, reply), count in sorted(replies.items())))
    for kind in FINDINGS:
        print(f"{kind}: {sum(len(result.ledger.findings[kind]) for result in results)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=1000, help="of all runs together (default: 1000)")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a random one")
    parser.add_argument("--databases", type=_words, default=[SQLITE, POSTGRESQL], help="sqlite,postgresql")
    parser.add_argument("--daemons", type=_numbers, default=[1, 2, 3], help="numbers of daemons on PostgreSQL: 1,2,3")
    parser.add_argument(
        "--only", action="append", metavar="FAULT", help="the name of a fault; may be given more than once"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after so many, with fewer cycles")
    parser.add_argument("--part", type=int, default=100, help="cycles before a new store is taken (default: 100)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "faults.json", help="the ledger")
    parser.add_argument("--verbose", action="store_true", help="print a line for each cycle")
    return parser.parse_args()


def _say_nothing(_line: str) -> None:
    return


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
