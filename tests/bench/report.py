"""The two outputs: a table for a person and one JSON line for a script."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.rounds import Round

AIM_RATE: Final = 600  # mails/s accepted, everything on
AIM_EXTRA_MB: Final = 60
AIM_STALL_MS: Final = 50
AIM_FSYNCS: Final = 0.5  # a mail: "clearly fewer" than one

Results = dict[str, Any]


def summary(rounds: Sequence[Round]) -> Results:
    """The median of each figure over *rounds*, with the lowest and highest rate."""
    rates = [one.rate for one in rounds]
    whole = {
        "rounds": len(rounds),
        "accepted": sum(one.accepted for one in rounds),
        "verified": None if rounds[0].verified is None else sum(one.verified or 0 for one in rounds),
        "refused": sum(sum(one.refused.values()) for one in rounds),
        "retries": sum(one.retries for one in rounds),
        "rate_min": min(rates),
        "rate_max": max(rates),
    }
    for name in ("rate", "hook_rate", "cpu_ms", "rss_mb", "peak_mb"):
        whole[name] = _median([getattr(one, name) for one in rounds])
    for name in ("dot", "hook"):
        pairs = [getattr(one, name) or (None, None) for one in rounds]
        whole[f"{name}_p50_ms"], whole[f"{name}_p99_ms"] = (
            _median(list(column)) for column in zip(*pairs, strict=True)
        )
    return whole


def ratio(ours: Sequence[Round], yardstick: Sequence[Round]) -> float | None:
    """How many times the yardstick's rate ours is: the median over pairs of rounds that ran one after the other."""
    return _median([one.rate / other.rate for one, other in zip(ours, yardstick, strict=False)])


def to_json(results: Results) -> str:
    """Everything on one line, numbers cut to three digits after the point."""
    return json.dumps(_rounded({"bench": "mailseal", "machine": machine(), **results}), separators=(",", ":"))


def print_table(results: Results, console: Console) -> None:
    """One table: a row for each server and way of connecting, then a line for each other figure."""
    table = Table(title=f"Mailseal bench ({described(machine())})", title_justify="left")
    for heading in ("server", "mails/s (min-max)", "dot→250 ms", "250→hook ms", "hooks/s", "CPU ms/mail"):
        table.add_column(heading, justify="left" if heading == "server" else "right", no_wrap=True)
    table.add_column("RSS/peak MB", justify="right", no_wrap=True)
    table.add_column("verified", justify="right", no_wrap=True)
    for name, figures in results["rounds"].items():
        table.add_row(name, *_cells(figures))
    table.add_section()
    for words in _lines(results):
        table.add_row(*words)
    console.print(table)


def machine() -> Results:
    """What a figure depends on."""
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def described(here: Results) -> str:
    """The same in words."""
    return f"{here['cpus']} CPUs, Python {here['python']}, load {here['load']:.1f}"


def _cells(figures: Results) -> list[str]:
    return [
        f"{figures['rate']:.0f} ({figures['rate_min']:.0f}-{figures['rate_max']:.0f})",
        _pair(figures["dot_p50_ms"], figures["dot_p99_ms"]),
        _pair(figures["hook_p50_ms"], figures["hook_p99_ms"]),
        "-" if figures["hook_rate"] is None else f"{figures['hook_rate']:.0f}",
        f"{figures['cpu_ms']:.2f}",
        f"{figures['rss_mb']:.0f}/{figures['peak_mb']:.0f}",
        "-" if figures["verified"] is None else f"{figures['verified']}/{figures['accepted']}",
    ]


def _lines(results: Results) -> list[tuple[str, str]]:
    """The figures that are no round, each with its aim and whether it is met."""
    lines = []
    if ours := results["rounds"].get("ours fresh"):
        lines.append(("rate, aim", _judged(ours["rate"], ">=", AIM_RATE, "mails/s")))
    for name, value in results.get("ratio", {}).items():
        lines.append((f"ratio {name}", f"{value:.2f} x"))
    if fsyncs := results.get("fsyncs"):
        counted = fsyncs["per_mail"] is not None
        lines.append(("fsyncs a mail", _judged(fsyncs["per_mail"], "<=", AIM_FSYNCS) if counted else "not counted"))
        lines.append(("written a mail", f"{fsyncs['kb_written_per_mail']:.1f} kB"))
    if big := results.get("big"):
        lines.append(("25 MB: memory", _judged(big["accepted_extra_mb"], "<=", AIM_EXTRA_MB, "MB")))
        lines.append((" … till webhook", f"{big['delivered_extra_mb']:.1f} MB"))
        lines.append(("25 MB: stall", _judged(big["stall_accept_ms"], "<=", AIM_STALL_MS, "ms")))
        lines.append((" … till webhook", f"{big['stall_deliver_ms']:.1f} ms"))
        lines.append((" … before it", f"{big['stall_idle_ms']:.1f} ms"))
        lines.append(("25 MB: time", f"{big['seconds']:.2f} s"))
    if reading := results.get("reading"):
        lines.append(("mail 5 kB: event", f"{reading['small_ms'] * 1000:.0f} µs"))
        lines.append(("newsletter 39 kB: event", f"{reading['newsletter_ms']:.2f} ms"))
    for provider, figures in (results.get("sending") or {}).items():
        lines.extend(_sending_lines(provider, figures))
    lines.extend((f"FAILED {part}", "see below") for part in results["failed"])
    return lines


def _sending_lines(provider: str, figures: Results) -> list[tuple[str, str]]:
    spread = f"{figures['rate']:.0f} ({figures['rate_min']:.0f}-{figures['rate_max']:.0f}) mails/s"
    return [
        (f"sent by {provider}", f"{spread}, CPU {figures['cpu_ms']:.2f} ms/mail"),
        (" … naive loop", f"{figures['naive_rate']:.0f} mails/s, CPU {figures['naive_cpu_ms']:.2f} ms/mail"),
        (" … ratio", f"{figures['ratio']:.2f} x"),
    ]


def _judged(value: float, relation: str, aim: float, unit: str = "") -> str:
    met = value >= aim if relation == ">=" else value <= aim
    return f"{value:.{0 if value > 200 else 2}f}{unit and ' '}{unit} ({relation} {aim:g}: {'met' if met else 'MISSED'})"


def _pair(middle: float | None, high: float | None) -> str:
    return "-" if middle is None or high is None else f"{middle:.1f} / {high:.1f}"


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 3) if isinstance(value, float) else value
