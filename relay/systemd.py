"""The daemon and systemd: readiness, reload and watchdog by sd_notify(3), sockets by sd_listen_fds(3)."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from relay.errors import Misconfigured

_FIRST_DESCRIPTOR: Final = 3
_DESCRIPTOR: Final = "fd:"
SOCKET_NAMES: Final = ("smtp", "http")  # FileDescriptorName= of the socket units

Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by the name of the server that accepts from them."""


def notify_systemd(*states: str) -> None:
    """Send *states*, such as ``READY=1``, to the service manager; without one nothing happens.

    The manager of a worker is its supervisor, at the other end of a socket that it has inherited (``fd:NUMBER``).
    """
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith(_DESCRIPTOR):
        with suppress(OSError), socket.socket(fileno=os.dup(int(path.removeprefix(_DESCRIPTOR)))) as inherited:
            inherited.send("\n".join(states).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice, suppress(OSError):
        notice.sendto("\n".join(states).encode(), address)


def notify_reloading() -> None:
    """Tell the service manager that a reload has begun; ``READY=1`` ends it."""
    notify_systemd("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Within which time systemd must hear ``WATCHDOG=1`` again and again (WatchdogSec=); None without a watchdog."""
    microseconds, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not microseconds.isdigit() or int(microseconds) == 0 or process not in {None, str(os.getpid())}:
        return None
    return int(microseconds) / 1_000_000


def inherited_sockets() -> Sockets:
    """The listening sockets that systemd has bound (LISTEN_FDS), by name: ``smtp`` and ``http``.

    Call it once: the variables are removed, so that no child takes the sockets for its own. Raises Misconfigured: a
    socket has another name, or does not listen.
    """
    process, number = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "0")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    if process != str(os.getpid()) or not number.isdigit():
        return found
    for at in range(int(number)):
        descriptor = _FIRST_DESCRIPTOR + at
        os.set_inheritable(descriptor, False)
        name = names[at] if at < len(names) else ""
        if name not in SOCKET_NAMES:
            raise Misconfigured(
                f"systemd passed a socket called {name!r}: set FileDescriptorName=smtp or FileDescriptorName=http in"
                " its socket unit"
            )
        found.setdefault(name, []).append(_listening(descriptor, name))
    return found


def _listening(descriptor: int, name: str) -> socket.socket:
    try:
        inherited = socket.socket(fileno=descriptor)
        listens = inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise Misconfigured(f"descriptor {descriptor}, called {name}, is not a socket: {error.strerror}") from error
    if not listens or inherited.type != socket.SOCK_STREAM:
        raise Misconfigured(f"the socket called {name} does not listen: set ListenStream= and Accept=no")
    return inherited
