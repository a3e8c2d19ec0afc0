"""The parts of a run, each on its own: what one of them needs is given, and a failure of one leaves the others."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import servers
from tests.bench.big import measure_big
from tests.bench.measure import FsyncCount, written_bytes
from tests.bench.report import Results, ratio, summary
from tests.bench.rounds import Round, Way, drain, load, play
from tests.bench.sending import PROVIDERS, send_through
from tests.bench.servers import Target

NULL, NAIVE = "null fresh", "naive fresh"
FRESH, REUSE, PACED = "ours fresh", "ours reuse", "ours paced"
OURS: Final = (FRESH, REUSE, PACED)
PARTS: Final = ("null", "naive", "fresh", "reuse", "paced", "fsyncs", "big", "sending", "reading")
SERVED: Final = {NULL: ("null",), NAIVE: ("naive",), FRESH: ("fresh", "reuse", "paced", "fsyncs")}  # by which server
PACE: Final = 100  # mails/s: a busy day without a queue, where latency is the server's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a run is made of, and what it has found so far."""

    work: Path
    mails: int
    senders: int
    runs: int
    parts: tuple[str, ...]
    url: str | None
    program: tuple[str, ...]
    deadline: float  # time.monotonic() after which no further round begins
    dns_port: int = 0
    sink_port: int = 0
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def attempt(self, part: str, act: Callable[[], Results | None]) -> Results | None:
        """Do one thing; what went wrong is kept under the part's name, which then is not tried again."""
        if part in self.failed:
            return None
        if time.monotonic() > self.deadline:
            self.failed[part] = "not (wholly) run: the time was up"
            return None
        try:
            return act()
        except Exception as error:  # noqa: BLE001 (whatever breaks one part must not cost the figures of the others)
            self.failed[part] = f"{type(error).__name__}: {error}"
        return None

    def play(self, name: str, target: Target, way: Way) -> None:
        """One round against *target*, kept under *name*; a mail refused, or not found authentic, is a failure."""
        hooks = self.sink_port if name in OURS else None
        one = play(target, way, sink_port=hooks)
        self.rounds.setdefault(name, []).append(one)
        if one.refused:
            self.failed[f"{name}: refused"] = str(one.refused)
        if one.verified is not None and one.verified != one.accepted:
            self.failed[f"{name}: verified"] = f"only {one.verified} of {one.accepted} accepted mails"

    def way(self, mails: int) -> Way:
        """*mails* of 5 kB, a connection each."""
        return Way(corpus=self.work / "corpus.json", mails=mails, senders=self.senders)

    def daemon(self, name: str, sink_port: int) -> AbstractContextManager[Target]:
        """The daemon under test, its webhooks going to *sink_port*.

        Its data directory is called *name*; on a database by URL all share one, for the master key in it.
        """
        name = name if self.url is None else "shared"
        return servers.mailseal(
            self.work, program=self.program, name=name, dns_port=self.dns_port, sink_port=sink_port, url=self.url
        )

    def results(self) -> Results:
        """The figures of the rounds played so far, and the ratios between them."""
        told: Results = {
            "mails": self.mails,
            "senders": self.senders,
            "rounds": {name: summary(played) for name, played in self.rounds.items()},
            "ratio": {},
            "failed": self.failed,
        }
        for ours in (FRESH, REUSE):
            for yardstick in (NAIVE, NULL):
                if ours in self.rounds and yardstick in self.rounds:
                    told["ratio"][f"{ours}/{yardstick}"] = ratio(self.rounds[ours], self.rounds[yardstick])
        return told


def play_rounds(bench: Bench, targets: dict[str, Target]) -> None:
    """Every round of every kind, in turns, so that a slow minute of the machine hits each alike."""
    fresh = bench.way(bench.mails)
    kinds = (
        ("null", NULL, NULL, fresh),
        ("naive", NAIVE, NAIVE, fresh),
        ("fresh", FRESH, FRESH, fresh),
        ("reuse", REUSE, FRESH, replace(fresh, reuse=True)),
        ("paced", PACED, FRESH, replace(fresh, mails=min(bench.mails, 2 * PACE), pace=PACE)),
    )
    for _ in range(bench.runs):
        for part, name, server, way in kinds:
            if part in bench.parts and server in targets:
                bench.attempt(part, partial(bench.play, name, targets[server], way))


def count_fsyncs(bench: Bench, target: Target) -> Results:
    """A short run under strace: how many fsyncs a mail costs, webhooks and their settling included.

    Where they cannot be counted ``per_mail`` is None and ``why`` tells why; bytes written are told in any case.
    """
    way = bench.way(min(bench.mails, 1000))
    before = servers.sink_count(bench.sink_port)
    written = written_bytes(target.pid)
    count, why = None, None
    with ExitStack() as stack:
        try:
            count = stack.enter_context(_counter(bench, target))
        except RuntimeError as error:
            why = str(error)
        accepted = len(load(target, way)["mails"])
        drain(bench.sink_port, before + accepted)
    return {
        "mails": accepted,
        "per_mail": count.calls / accepted if count else None,
        "why": why,
        "kb_written_per_mail": (written_bytes(target.pid) - written) / accepted / 1000,
    }


def _counter(bench: Bench, target: Target) -> FsyncCount:
    if bench.url is not None:
        raise RuntimeError("on PostgreSQL they are the database's, not ours")
    return FsyncCount(target.pid)


def send_big(bench: Bench) -> Results:
    """The large mail against a daemon of its own, whose memory no earlier round has stretched."""
    with (
        servers.sink(bench.work) as sink_port,
        bench.daemon("big", sink_port) as target,
    ):
        return measure_big(target, corpus=bench.work / "big.json", warm=bench.work / "corpus.json", sink_port=sink_port)


def send_out(bench: Bench) -> Results:
    """Sending by each provider there is, each with a daemon of its own."""
    return {
        provider: send_through(
            provider, bench.work, runs=bench.runs, program=bench.program, url=bench.url, deadline=bench.deadline
        )
        for provider in PROVIDERS
    }
