"""The parts of a run, each on its own: what one of them needs is given, and a failure of one leaves the others."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import servers
from tests.bench.big import measure_big
from tests.bench.measure import FsyncCount, written_bytes
from tests.bench.report import Results, ratio, summary
from tests.bench.rounds import Round, drain, load, play
from tests.bench.servers import Target

NULL, NAIVE, FRESH, REUSE = "null fresh", "naive fresh", "ours fresh", "ours reuse"
PARTS: Final = ("null", "naive", "fresh", "reuse", "fsyncs", "big")


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

    def play(self, name: str, target: Target, *, reuse: bool = False) -> None:
        """One round against *target*, kept under *name*."""
        hooks = self.sink_port if name in (FRESH, REUSE) else None
        one = play(
            target,
            corpus=self.work / "corpus.json",
            mails=self.mails,
            senders=self.senders,
            reuse=reuse,
            sink_port=hooks,
        )
        self.rounds.setdefault(name, []).append(one)

    def daemon(self, name: str, sink_port: int) -> AbstractContextManager[Target]:
        """The daemon under test, on a data directory called *name*, its webhooks going to *sink_port*."""
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
    kinds = (("null", NULL, NULL), ("naive", NAIVE, NAIVE), ("fresh", FRESH, FRESH), ("reuse", REUSE, FRESH))
    for _ in range(bench.runs):
        for part, name, server in kinds:
            if part in bench.parts and server in targets:
                bench.attempt(part, partial(bench.play, name, targets[server], reuse=name == REUSE))


def count_fsyncs(bench: Bench, target: Target) -> Results:
    """A short run under strace: how many fsyncs a mail costs, webhooks and their settling included.

    Raises RuntimeError where they cannot be counted, and then says what was written instead.
    """
    if bench.url is not None:
        raise RuntimeError("not counted: on PostgreSQL they are the database's, not ours")
    mails = min(bench.mails, 1000)
    corpus = bench.work / "corpus.json"
    before = servers.sink_count(bench.sink_port)
    written = written_bytes(target.pid)
    try:
        with FsyncCount(target.pid) as count:
            sent = load(target, corpus=corpus, mails=mails, senders=bench.senders)
            drain(bench.sink_port, before + len(sent["mails"]))
    except RuntimeError as error:
        sent = load(target, corpus=corpus, mails=mails, senders=bench.senders)
        each = (written_bytes(target.pid) - written) / len(sent["mails"])
        raise RuntimeError(f"{error}; {each:.0f} bytes written a mail") from error
    return {"calls": count.calls, "mails": len(sent["mails"]), "per_mail": count.calls / len(sent["mails"])}


def send_big(bench: Bench) -> Results:
    """The large mail against a daemon of its own, whose memory no earlier round has stretched."""
    with (
        servers.sink(bench.work) as sink_port,
        bench.daemon("big", sink_port) as target,
    ):
        return measure_big(target, corpus=bench.work / "big.json", warm=bench.work / "corpus.json", sink_port=sink_port)
