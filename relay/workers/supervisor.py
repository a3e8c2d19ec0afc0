"""The supervisor: binds the sockets once, starts the workers, restarts those that end, stops all.

It is the process that systemd knows, and runs no event loop and no thread, so that it may fork at any time: a worker
begins with all modules imported, within a fraction of the time and of the memory of a new interpreter. No request ever
reaches this process.
"""

import gc
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from relay.bounds import make_table
from relay.errors import Deferred, Misconfigured
from relay.limits.shared import SharedCounts
from relay.listening import show_address
from relay.log import set_level
from relay.metrics import program_version
from relay.patience import FIRST_SECONDS, MOST_SECONDS, tell_wait
from relay.peer_bus import Inboxes, PeerBus
from relay.reload import merge_settings
from relay.settings import Settings
from relay.smtp.listen import bind
from relay.systemd import Sockets, notify_reloading, notify_systemd, watchdog_seconds
from relay.wiring import make_certificates
from relay.worker_part import WorkerPart
from relay.workers.process import WorkerProcess
from relay.workers.restarts import Restarts
from relay.workers.role import WorkerRole
from relay.workers.signals import NotedSignals
from store.ids import make_mark, mark_ids

HANG_SECONDS: Final = 30.0  # without systemd's watchdog: a worker whose loop is silent for so long is killed
STOP_SECONDS: Final = 115.0  # for a stop; below the time after which systemd kills
RELOAD_SECONDS: Final = 30.0
_TICK_SECONDS: Final = 0.25
_MUST_ACT: Final = (78, 75)  # exit statuses of a start that no restart mends at once (relay/cli/main.py)
log = structlog.get_logger("relay.workers")

LoadSettings = Callable[[], Settings]
"""Reads the settings again. Raises Misconfigured."""


class _Slot:
    """The place of one worker: its present process, or when the next one starts."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: WorkerProcess | None = None
        self.start_at = 0.0
        self.restarts = Restarts()


class Supervisor:
    """Runs *count* workers until SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, *, count: int, load: LoadSettings, sockets: Sockets) -> None:
        """*sockets* that systemd bound, by name, are used in place of the addresses of the settings."""
        self._settings = settings
        self._load = load
        self._sockets = sockets
        self._slots = [_Slot(number) for number in range(count)]
        self._inboxes = Inboxes(count)
        self._table = make_table(settings, processes=count)
        self._selector = selectors.DefaultSelector()
        self._signals = NotedSignals()
        self._selector.register(self._signals.readable, selectors.EVENT_READ)
        self._watchdog = watchdog_seconds()
        self._fed_at = float("-inf")
        self._has_started = False  # all workers have been ready at the same time
        self._reload_ends: float | None = None
        self._stop_ends: float | None = None
        self._status = 0

    def run(self) -> WorkerRole | int:
        """The exit status, at the end; in each worker process its role, at its start.

        Raises Misconfigured: an address cannot be listened on.
        """
        try:
            self._listen()
            gc.collect()
            gc.freeze()  # objects that live on are not touched by the collector, so that workers share their memory
            while not self._is_over():
                role = self._start_due(time.monotonic())
                if role is not None:
                    return role
                self._wait(_TICK_SECONDS)
                self._look(time.monotonic())
        except BaseException:
            self._end_all(signal.SIGKILL)
            raise
        if self._has_started:
            log.info("daemon_stopped")
        return self._status

    def _listen(self) -> None:
        """Bind the sockets, as soon as that is possible. Raises Misconfigured."""
        seconds = FIRST_SECONDS
        while self._stop_ends is None:
            try:
                self._sockets = self._bound()
            except Deferred as error:
                tell_wait(error, seconds)
                self._rest(seconds)
                seconds = min(seconds * 2, MOST_SECONDS)
            else:
                return

    def _bound(self) -> Sockets:
        smtp, http = self._sockets.get("smtp", ()), self._sockets.get("http", ())
        new = bind([*(() if smtp else self._settings.smtp_listen), *(() if http else self._settings.http_listen)])
        split = 0 if smtp else len(self._settings.smtp_listen)
        return {"smtp": [*smtp, *new[:split]], "http": [*http, *new[split:]]}

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._stop_ends is None and (left := end - time.monotonic()) > 0:
            self._wait(left)

    def _start_due(self, now: float) -> WorkerRole | None:
        """Start the workers that are due; the first one alone until it is ready, because it may make the database."""
        if self._stop_ends is not None:
            return None
        for slot in self._slots if self._has_started or self._is_first_ready() else self._slots[:1]:
            if slot.process is None and now >= slot.start_at:
                role = self._fork(slot, now)
                if role is not None:
                    return role
        return None

    def _is_first_ready(self) -> bool:
        first = self._slots[0].process
        return first is not None and first.is_ready

    def _fork(self, slot: _Slot, now: float) -> WorkerRole | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mark = make_mark()
        pid = os.fork()
        if pid == 0:
            ours.close()
            return self._become(slot.number, theirs, mark)
        theirs.close()
        slot.process = WorkerProcess(slot.number, pid, ours, mark=mark, now=now, watchdog=self._hang_seconds())
        self._selector.register(ours, selectors.EVENT_READ, slot)
        return None

    def _become(self, number: int, channel: socket.socket, mark: str) -> WorkerRole:
        """Release in a new worker what belongs to the supervisor."""
        self._signals.close()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the worker can reload: it has the newest settings
        self._selector.close()
        for process in self._processes():
            process.channel.close()
        os.environ.pop("WATCHDOG_PID", None)
        os.environ |= {
            "NOTIFY_SOCKET": f"fd:{channel.fileno()}",
            "WATCHDOG_USEC": str(int(self._hang_seconds() * 1_000_000)),
        }
        mark_ids(mark)
        part = WorkerPart(
            number=number,
            mark=mark,
            bus=PeerBus(self._inboxes, number),
            counts=SharedCounts(self._table, number),
        )
        return WorkerRole(part=part, settings=self._settings, sockets=self._sockets, channel=channel)

    def _hang_seconds(self) -> float:
        """Silence of a worker after which it is killed: less than that after which systemd ends all."""
        return self._watchdog / 2 if self._watchdog is not None else HANG_SECONDS

    def _wait(self, seconds: float) -> None:
        """Wait for a notice, a signal or the time, and handle what came."""
        for key, _ in self._selector.select(seconds):
            if key.data is not None and key.data.process is not None:
                self._hear(key.data)
        noted = self._signals.take()
        if signal.SIGTERM in noted or signal.SIGINT in noted:
            self._stop()
        if signal.SIGCHLD in noted:
            self._reap()
        if signal.SIGHUP in noted and self._stop_ends is None:
            self._reload()

    def _hear(self, slot: _Slot) -> None:
        assert slot.process is not None
        was_ready = slot.process.is_ready
        if not slot.process.listen(time.monotonic()):
            self._selector.unregister(slot.process.channel)
        elif slot.process.is_ready and not was_ready:
            log.info("worker_ready", worker=slot.number, pid=slot.process.pid)

    def _look(self, now: float) -> None:
        """Compare the time with what is due."""
        for process in self._processes():
            if self._stop_ends is None and process.is_overdue(now):
                log.error("worker_hung", worker=process.number, pid=process.pid)
                process.send_signal(signal.SIGKILL)
        if self._stop_ends is not None:
            if now > self._stop_ends:
                self._end_all(signal.SIGKILL)
            return
        if not self._has_started and self._are_all_ready():
            self._tell_start()
        self._end_reload(now)
        self._feed(now)

    def _feed(self, now: float) -> None:
        """Feed systemd's watchdog, while every worker's event loop answers."""
        if self._watchdog is None or now - self._fed_at < self._watchdog / 4:
            return
        if not any(process.is_overdue(now) for process in self._processes()):
            self._fed_at = now
            notify_systemd("WATCHDOG=1")

    def _tell_start(self) -> None:
        self._has_started = True
        log.info(
            "daemon_started",
            smtp=_shown(self._sockets["smtp"]),
            http=_shown(self._sockets["http"]),
            hostname=self._settings.hostname,
            version=program_version(),
            outbound=self._settings.outbound,
            workers=len(self._slots),
        )
        notify_systemd("READY=1", f"STATUS=Serving with {len(self._slots)} workers")

    def _reload(self) -> None:
        """Check the new settings, use them for later workers, and have those that run read them."""
        notify_reloading()
        self._reload_ends = time.monotonic() + RELOAD_SECONDS
        try:
            found = merge_settings(self._settings, self._load())
            make_certificates(found.settings)
        except Misconfigured as error:
            step = "the settings in use stay; correct these, and reload again"
            log.error("reload_failed", error=str(error), next_step=step)  # noqa: TRY400 (what a person must change)
            return
        self._settings = found.settings
        set_level(found.settings.log_level)
        for process in self._processes():
            process.is_reloading = process.is_ready
            process.send_signal(signal.SIGHUP)

    def _end_reload(self, now: float) -> None:
        if self._reload_ends is None:
            return
        if now > self._reload_ends or not any(process.is_reloading for process in self._processes()):
            self._reload_ends = None
            notify_systemd("READY=1", "STATUS=Serving")

    def _stop(self) -> None:
        """Begin the end of all workers; later signals change nothing."""
        if self._stop_ends is not None:
            return
        self._stop_ends = time.monotonic() + STOP_SECONDS
        notify_systemd("STOPPING=1", "STATUS=Stopping")
        log.info("daemon_stopping")
        for group in self._sockets.values():
            for each in group:
                each.close()  # a client is refused, where it would wait for a process that does not accept any more
        self._end_all(signal.SIGTERM)

    def _end_all(self, number: signal.Signals) -> None:
        for process in self._processes():
            process.send_signal(number)

    def _reap(self) -> None:
        for slot in self._slots:
            if slot.process is not None:
                pid, status = os.waitpid(slot.process.pid, os.WNOHANG)
                if pid:
                    self._bury(slot, os.waitstatus_to_exitcode(status), time.monotonic())

    def _bury(self, slot: _Slot, status: int, now: float) -> None:
        """Release what a process that has ended leaves, and decide what follows."""
        assert slot.process is not None
        ended, slot.process = slot.process, None
        if ended.channel in self._selector.get_map():
            self._selector.unregister(ended.channel)
        ended.channel.close()
        self._table.clear(slot.number)
        if self._stop_ends is not None:
            return
        if not self._has_started or (status in _MUST_ACT and not any(other.is_ready for other in self._processes())):
            self._status = status if status > 0 else 1
            log.error("worker_ended", worker=slot.number, pid=ended.pid, status=status)
            self._stop()
            return
        alive = [each.number for each in self._processes() if each.is_ready]
        self._inboxes.tell_lost(alive[0] if alive else slot.number, ended.mark)
        delay = slot.restarts.next_delay(now - ended.began)
        slot.start_at = now + delay
        log.warning("worker_ended", worker=slot.number, pid=ended.pid, status=status, again_in_seconds=delay)

    def _is_over(self) -> bool:
        return self._stop_ends is not None and not any(slot.process for slot in self._slots)

    def _are_all_ready(self) -> bool:
        return all(slot.process is not None and slot.process.is_ready for slot in self._slots)

    def _processes(self) -> list[WorkerProcess]:
        return [slot.process for slot in self._slots if slot.process is not None]


def _shown(sockets: Sequence[socket.socket]) -> list[str]:
    return [show_address(*each.getsockname()[:2]) for each in sockets]
