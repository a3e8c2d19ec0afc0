"""One round: the senders run against a server, its webhooks come in, and the figures are worked out."""

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.measure import cpu_seconds, peak, reset_peak, resident, tree
from tests.bench.servers import ROOT, Target, sink_count, sink_report

_LOAD_SECONDS: Final = 60
_DRAIN_SECONDS: Final = 30
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed. Latencies in ms as (p50, p99); None where the server has no such thing."""

    accepted: int
    rate: float  # mails/s accepted
    dot: tuple[float, float]  # from the final dot to the 250
    hook: tuple[float, float] | None  # from the 250 to the webhook
    hook_rate: float | None  # webhooks/s
    verified: int | None  # mails the server found authentic
    cpu_ms: float  # of the server, a mail
    rss_mb: float
    peak_mb: float
    retries: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the mails of a round are sent."""

    corpus: Path
    mails: int
    senders: int = 20  # at once
    reuse: bool = False  # keep connections, instead of one a mail
    pace: float = 0  # connections a second, 0 for as many as go


def load(target: Target, way: Way) -> dict:
    """Run the senders in their own process; what they print. Raises RuntimeError when they fail or take too long."""
    command = [sys.executable, "-m", "tests.bench.load", "--port", str(target.port), "--rcpt", target.rcpt]
    command += ["--corpus", str(way.corpus), "--mails", str(way.mails), "--senders", str(way.senders)]
    command += ["--pace", str(way.pace), *(["--reuse"] if way.reuse else [])]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_LOAD_SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{way.mails} mails were not sent in {_LOAD_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the senders failed: {error.stderr.decode()[-500:]}") from error
    return json.loads(done.stdout)


def play(target: Target, way: Way, *, sink_port: int | None = None) -> Round:
    """One round; with a sink it ends when every accepted mail's webhook has come."""
    already = sink_report(sink_port) if sink_port else {"verified": 0, "arrivals": {}}
    known = _naive_verified(target)
    reset_peak(tree(target.pid))
    cpu = cpu_seconds(target.pid)
    sent = load(target, way)
    if sink_port:
        drain(sink_port, len(already["arrivals"]) + len(sent["mails"]))
    cpu = cpu_seconds(target.pid) - cpu
    pids = tree(target.pid)
    if not sent["mails"]:
        raise RuntimeError(f"no mail was accepted: {sent['refused']}")
    hooks = sink_report(sink_port) if sink_port else None
    return Round(
        accepted=len(sent["mails"]),
        rate=len(sent["mails"]) / ((sent["ended"] - sent["began"]) / 1e9),
        dot=spread([(done - dot) / 1e6 for _, dot, done in sent["mails"]]),
        hook=_hook_latency(sent, hooks) if hooks else None,
        hook_rate=_hook_rate(sent, hooks) if hooks else None,
        verified=hooks["verified"] - already["verified"] if hooks else _naive_verified(target, known),
        cpu_ms=cpu * 1000 / len(sent["mails"]),
        rss_mb=resident(pids) / _MB,
        peak_mb=peak(pids) / _MB,
        retries=sent["retries"],
        refused=sent["refused"],
    )


def drain(sink_port: int, wanted: int, *, seconds: float = _DRAIN_SECONDS) -> None:
    """Return when the sink has *wanted* messages. Raises RuntimeError when they do not come."""
    end = time.monotonic() + seconds
    while (have := sink_count(sink_port)) < wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"{wanted - have} of {wanted} webhooks did not come in {seconds:g} s")
        time.sleep(0.05)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _hook_latency(sent: dict, hooks: dict) -> tuple[float, float]:
    """Below zero where the webhook came in before the busy sender had read the 250."""
    arrivals = hooks["arrivals"]
    return spread([(arrivals[name] - done) / 1e6 for name, _, done in sent["mails"] if name in arrivals])


def _hook_rate(sent: dict, hooks: dict) -> float:
    last = max(hooks["arrivals"][name] for name, _, _ in sent["mails"] if name in hooks["arrivals"])
    return len(sent["mails"]) / ((last - sent["began"]) / 1e9)


def _naive_verified(target: Target, before: int | None = 0) -> int | None:
    """How many mails in the naive server's database passed both checks, less *before*."""
    if target.database is None:
        return None
    with sqlite3.connect(target.database) as database:
        (count,) = database.execute("SELECT count(*) FROM mail WHERE dkim AND spf = 'pass'").fetchone()
    database.close()
    return count - (before or 0)
