"""Run the daemon as a service: until SIGTERM or SIGINT, with SIGHUP to read the settings again.

systemd is told when the daemon is ready, reloads and stops, and may pass it listening sockets (relay/systemd.py).
"""

import asyncio
import gc
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from relay.clock import SystemClock
from relay.daemon import Daemon
from relay.database import open_database
from relay.errors import Misconfigured
from relay.patience import start_patiently
from relay.settings import Settings
from relay.systemd import Sockets, inherited_sockets, notify_reloading, notify_systemd
from relay.worker_part import WorkerPart
from relay.workers.role import WorkerRole

_COLLECT_AFTER: Final = 20_000  # new containers
log = structlog.get_logger("relay.daemon")

LoadSettings = Callable[[], Settings]
"""Reads the settings again. Raises Misconfigured."""


async def serve(
    settings: Settings,
    *,
    may_migrate: bool | None = None,
    load: LoadSettings | None = None,
    role: WorkerRole | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT, then stop it; waits for what is not there yet. Raises Misconfigured.

    At SIGHUP the settings of *load* are used as far as they can change. A worker has a *role*, and stops, too, when its
    supervisor has died.
    """
    stop, hangup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    sockets = inherited_sockets() if role is None else role.sockets
    if role is not None:
        loop.add_reader(role.channel.fileno(), stop.set)  # it is only ever readable when the supervisor has died
    start = partial(_started, settings, may_migrate=may_migrate, sockets=sockets, part=role.part if role else None)
    daemon = await start_patiently(start, stop=stop)
    if daemon is None:
        return
    for each in (one for group in sockets.values() for one in group):
        each.close()  # the daemon has copies, and closes them when it stops to accept
    _spare_the_collector()
    notify_systemd("READY=1", "STATUS=Serving")
    reloading = asyncio.create_task(_reload_at(hangup, daemon, load or (lambda: settings)))
    await stop.wait()
    reloading.cancel()
    notify_systemd("STOPPING=1", "STATUS=Stopping")
    await daemon.stop()


async def _started(
    settings: Settings, *, may_migrate: bool | None, sockets: Sockets, part: WorkerPart | None
) -> Daemon:
    """A daemon that serves. Raises as Daemon and Daemon.start do; then its database is closed."""
    store = await asyncio.to_thread(open_database, settings, now=SystemClock().now(), may_migrate=may_migrate)
    # Duplicates: a start that fails closes its sockets, and the next try needs them.
    copies = {name: [each.dup() for each in group] for name, group in sockets.items()}
    try:
        daemon = Daemon(settings, store=store, sockets=copies, part=part)
        await daemon.start()
    except BaseException:
        store.engine.dispose()
        for each in (copy for group in copies.values() for copy in group):
            each.close()
        raise
    return daemon


async def _reload_at(hangup: asyncio.Event, daemon: Daemon, load: LoadSettings) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        notify_reloading()
        try:
            daemon.reload(await asyncio.to_thread(load))
        except Misconfigured as error:
            step = "the settings in use stay; correct these, and reload again"
            log.error("reload_failed", error=str(error), next_step=step)  # noqa: TRY400 (what a person must change)
        except Exception:
            log.exception("reload_failed")
        finally:
            notify_systemd("READY=1", "STATUS=Serving")


def _spare_the_collector() -> None:
    """Exempt long-lived objects from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)
