"""Tell the service manager how the daemon is: sd_notify(3), where NOTIFY_SOCKET is set."""

import contextlib
import os
import socket


def notify_systemd(*states: str) -> None:
    """Send *states*, such as ``READY=1``, to the service manager; without one nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice, contextlib.suppress(OSError):
        notice.sendto("\n".join(states).encode(), address)
