"""``python -m tests.siege``: all attacks on one relay, a table of what the witness got, and build/siege.json."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import uvloop

from tests.siege.attacks import ATTACKS
from tests.siege.besieged import besieged
from tests.siege.siege import MOST_MEGABYTES, MOST_MILLISECONDS, Report, Siege, now
from tests.siege.witness import Hook

_HEAD: Final = ("attack", "requests", "refused", "p50", "p99", "max", "own p99", "cores", "MB", "bounds reached")
_ROW: Final = "{:26} {:>8} {:>7} {:>6} {:>7} {:>7} {:>7} {:>5} {:>4}  {}"


def main() -> int:
    """Run the chosen attacks; 1 if the witness was refused, waited too long, or the relay grew too large."""
    chosen = _options()
    reports = uvloop.run(_run(chosen.attack or list(ATTACKS), chosen.seconds))
    document = {
        "at": now(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "attacks": [asdict(each) for each in reports],
    }
    Path(chosen.out).parent.mkdir(exist_ok=True)
    Path(chosen.out).write_text(json.dumps(document, indent=2) + "\n")
    faults = [fault for report in reports for fault in _faults(report)]
    print("\n".join(["", *faults, f"figures in {chosen.out}; load average {os.getloadavg()[0]:.1f}"]))
    return 1 if faults else 0


async def _run(names: Sequence[str], seconds: float) -> list[Report]:
    hook, reports = Hook(), []
    with besieged(await hook.start()) as relay:
        siege = Siege(relay, hook)
        await siege.warm_up()
        print(_ROW.format(*_HEAD))
        reports.append(_shown(await siege.calm(seconds)))
        reports += [_shown(await siege.attack(ATTACKS[name], seconds)) for name in names]
        reports.append(_shown(await siege.calm(seconds)))
    await hook.stop()
    return reports


def _shown(report: Report) -> Report:
    times = report.milliseconds
    bounds = ", ".join(f"{each} {count}" for each, count in report.bounds.items())
    row = (report.name, report.requests, len(report.refused), times["p50"], times["p99"], times["max"])
    print(_ROW.format(*row, report.own_p99, report.cores, round(report.megabytes), bounds), flush=True)
    return report


def _faults(report: Report) -> list[str]:
    faults = [f"{report.name}: refused {words}" for words in report.refused[:5]]
    if report.own_p99 > MOST_MILLISECONDS:
        faults.append(f"{report.name}: own p99 {report.own_p99} ms; by the clock {dict(report.by_kind)}")
    if report.megabytes > MOST_MEGABYTES:
        faults.append(f"{report.name}: {report.megabytes} MB")
    if report.name in ATTACKS and not report.has_moved:
        faults.append(f"{report.name}: no bound of {ATTACKS[report.name].bounds} was counted; it did {report.done}")
    return faults


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("attack", nargs="*", choices=[[], *ATTACKS], help="only these")
    options.add_argument("--seconds", type=float, default=10, help="least time of each attack")
    options.add_argument("--out", default="build/siege.json")
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
