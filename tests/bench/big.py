"""The large mail: what accepting 25 MiB costs in memory, and how long it keeps another session waiting."""

import socket
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.measure import peak, reset_peak, resident, tree
from tests.bench.rounds import Way, load
from tests.bench.servers import Target, sink_count, sink_report

_WARMING: Final = 40  # mails
_PERIOD: Final = 0.002  # seconds between two pings
_PINGS: Final = 30  # a connection: a server may end one that only says NOOP
_LIMIT_SECONDS: Final = 30
_MB: Final = 1_000_000


class Neighbour(threading.Thread):
    """Another sender: connects, says NOOP each 2 ms, and keeps each round trip's begin and length in nanoseconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._enough = threading.Event()
        self.trips: list[tuple[int, int]] = []
        self.error: Exception | None = None

    def stop(self) -> None:
        """End it and wait for that."""
        self._enough.set()
        self.join(_LIMIT_SECONDS)

    def run(self) -> None:
        source = 0
        try:
            while not self._enough.is_set():
                self._visit(f"127.2.0.{1 + source % 200}")
                source += 1
        except OSError as error:
            self.error = error

    def _visit(self, source: str) -> None:
        began = time.monotonic_ns()
        address = ("127.0.0.1", self._port)
        with socket.create_connection(address, _LIMIT_SECONDS, source_address=(source, 0)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(1024)
            self._note(began)
            for _ in range(_PINGS):
                time.sleep(_PERIOD)
                began = time.monotonic_ns()
                connection.sendall(b"NOOP\r\n")
                if not connection.recv(1024).startswith(b"250"):
                    return
                self._note(began)
                if self._enough.is_set():
                    break
            connection.sendall(b"QUIT\r\n")

    def _note(self, began: int) -> None:
        self.trips.append((began, time.monotonic_ns() - began))


def measure_big(target: Target, *, corpus: Path, warm: Path, sink_port: int) -> dict[str, object]:
    """Send the one mail of *corpus* and tell what it did until its 250 and until its webhook.

    Some mails of *warm* go before, so that what is loaded once is not counted. Raises RuntimeError when the mail
    is refused or found unauthentic, or its webhook does not come.
    """
    _warm(target, warm, sink_port)
    pids = tree(target.pid)
    before = resident(pids)
    reset_peak(pids)
    neighbour = Neighbour(target.port)
    neighbour.start()
    time.sleep(0.5)
    quiet = time.monotonic_ns()
    try:
        sent = _send(target, corpus, 1)
        accepted_peak = peak(tree(target.pid))
        _await(lambda: sink_count(sink_port) >= _WARMING + 1, "the large mail's webhook")
    finally:
        neighbour.stop()
    if sink_report(sink_port)["verified"] != _WARMING + 1:
        raise RuntimeError("the large mail was not found authentic")
    if neighbour.error is not None:
        raise RuntimeError(f"the other session failed: {neighbour.error!r}")
    _, dot, done = sent["mails"][0]
    return {
        "accepted_extra_mb": (accepted_peak - before) / _MB,
        "delivered_extra_mb": (peak(tree(target.pid)) - before) / _MB,
        "before_mb": before / _MB,
        "seconds": (done - sent["began"]) / 1e9,
        "dot_ms": (done - dot) / 1e6,
        "stall_accept_ms": _longest(neighbour.trips, sent["began"], done),
        "stall_deliver_ms": _longest(neighbour.trips, done, time.monotonic_ns()),
        "stall_idle_ms": _longest(neighbour.trips, 0, quiet),
        "noop_p50_ms": statistics.median(length for _, length in neighbour.trips) / 1e6,
    }


def _warm(target: Target, corpus: Path, sink_port: int) -> None:
    _send(target, corpus, _WARMING)
    _await(lambda: sink_count(sink_port) >= _WARMING, "the warming mails' webhooks")
    time.sleep(0.5)


def _send(target: Target, corpus: Path, mails: int) -> dict:
    result = load(target, Way(corpus=corpus, mails=mails, senders=min(mails, 4)))
    if len(result["mails"]) != mails:
        raise RuntimeError(f"not accepted: {result['refused']}")
    return result


def _await(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _LIMIT_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come in {_LIMIT_SECONDS} s")
        time.sleep(0.02)


def _longest(trips: list[tuple[int, int]], begin: int, end: int) -> float:
    """The longest trip, in ms, that overlaps the time from *begin* to *end*."""
    return max((length for at, length in trips if at + length > begin and at < end), default=0) / 1e6
