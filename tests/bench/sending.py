"""Sending: from POST /send to ``sent``, through a provider that answers at once, beside a loop that keeps nothing."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from store.database.connect import open_store
from store.engine import Store
from store.schema.inbound import usage_days
from tests.bench import servers
from tests.bench.measure import cpu_seconds
from tests.bench.report import Results
from tests.bench.servers import ROOT, Writer, sink_count

PROVIDERS: Final = ("ses", "smtp")
MAILS: Final = 500  # in a round
_THREADS: Final = 8  # mails on their way to the provider at once, as many as the daemon has
_WARM: Final = 50  # mails that are nobody's
_ROUND_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.02
_SENT: Final = select(func.coalesce(func.sum(usage_days.c.count), 0)).where(usage_days.c.kind == "sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one round showed."""

    rate: float  # mails/s, from the first POST till the last is sent
    cpu_ms: float  # a mail
    written_rate: float = 0.0  # 202s a second; nobody asks the naive loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """All rounds through one provider, in the order in which they ran: a naive one before each of ours."""

    naive: list[Sent] = field(default_factory=list)
    ours: list[Sent] = field(default_factory=list)


def send_through(
    provider: str, work: Path, *, runs: int, program: tuple[str, ...], url: str | None, deadline: float
) -> Results:
    """The figures of *runs* rounds; none begins behind *deadline*. Raises RuntimeError for a mail lost, or sent twice."""
    rounds, name = Rounds(), f"sending-{provider}" if url is None else "shared"
    with servers.provider(work) as ports:
        settings = _settings(provider, ports[provider])
        with servers.writing(work, program=program, name=name, settings=settings, url=url) as writer:
            _play(writer, ports["ses"], _WARM)
            while len(rounds.ours) < runs and (not rounds.ours or time.monotonic() < deadline):
                rounds.naive.append(_play_naive(provider, ports[provider]))
                rounds.ours.append(_play(writer, ports["ses"], MAILS))
    return _figures(rounds)


def _settings(provider: str, port: int) -> Mapping[str, str]:
    """What makes a daemon send by the bench's provider."""
    if provider == "smtp":
        where = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none"}
        return {"MAILSEAL_OUTBOUND": "smtp", **{f"MAILSEAL_SMTP_OUT_{name}": value for name, value in where.items()}}
    url = f"http://127.0.0.1:{port}"
    return {"MAILSEAL_OUTBOUND": "ses", "MAILSEAL_SES_ENDPOINT_URL": url, "MAILSEAL_SES_REGION": "eu-west-1"}


def _play(writer: Writer, counter: int, mails: int) -> Sent:
    """One round of ours, which ends when the store says that every mail is sent."""
    taken, cpu = sink_count(counter), cpu_seconds(writer.pid)
    store = open_store(writer.database)
    wanted = _count_sent(store) + mails
    posting = _begin("posts", writer.port, writer.agent, writer.key, mails)
    ended = _await_sent(store, wanted)
    store.engine.dispose()
    cpu, posted, handed = cpu_seconds(writer.pid) - cpu, _answer(posting), sink_count(counter) - taken
    if posted["refused"] or handed != mails:
        raise RuntimeError(f"{handed} of {mails} mails were handed over; refused: {posted['refused']}")
    return Sent(
        rate=mails * 1e9 / (ended - posted["began"]),
        written_rate=mails * 1e9 / (posted["ended"] - posted["began"]),
        cpu_ms=cpu * 1000 / mails,
    )


def _play_naive(provider: str, port: int) -> Sent:
    told = _answer(_begin("naive_send", provider, port, MAILS, _THREADS))
    return Sent(rate=MAILS / told["seconds"], cpu_ms=told["cpu_seconds"] * 1000 / MAILS)


def _count_sent(store: Store) -> int:
    with store.snapshot() as tx:
        return int(tx.execute(_SENT).scalar_one())


def _await_sent(store: Store, wanted: int) -> int:
    """The time (CLOCK_MONOTONIC, ns) when *wanted* mails are sent. Raises RuntimeError when that does not come."""
    end = time.monotonic() + _ROUND_SECONDS
    while (have := _count_sent(store)) < wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"{wanted - have} mails were not sent in {_ROUND_SECONDS} s")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic_ns()


def _begin(module: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _answer(process: "subprocess.Popen[bytes]") -> Results:
    """What a process printed, once it has ended. Raises RuntimeError when it failed."""
    out, complaint = process.communicate(timeout=_ROUND_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{process.args}: {complaint.decode()[-500:]}")
    told: Results = json.loads(out)
    return told


def _figures(rounds: Rounds) -> Results:
    """Medians, the lowest and highest rate, and the median ratio of rounds that ran one after the other."""
    ratios = [ours.rate / naive.rate for ours, naive in zip(rounds.ours, rounds.naive, strict=True)]
    return {
        "mails": MAILS,
        "rounds": len(rounds.ours),
        "rate": statistics.median(one.rate for one in rounds.ours),
        "rate_min": min(one.rate for one in rounds.ours),
        "rate_max": max(one.rate for one in rounds.ours),
        "written_rate": statistics.median(one.written_rate for one in rounds.ours),
        "cpu_ms": statistics.median(one.cpu_ms for one in rounds.ours),
        "naive_rate": statistics.median(one.rate for one in rounds.naive),
        "naive_cpu_ms": statistics.median(one.cpu_ms for one in rounds.naive),
        "ratio": statistics.median(ratios),
    }
