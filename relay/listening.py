"""Listen addresses: how they are written, and the error for one that cannot be bound."""

import errno
import socket
from typing import Final

from relay.errors import ListenAddressBusy, Misconfigured, RelayError

# In use by a process that is ending, or an address that the network has not configured yet.
_PASSES: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


def show_address(host: str, port: int) -> str:
    """*host* and *port* as a URL has them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(host: str, port: int, error: OSError) -> RelayError:
    """The error to raise when *host* and *port* cannot be bound because of *error*."""
    words = f"cannot listen on {show_address(host, port)}: {error.strerror or error}"
    if isinstance(error, socket.gaierror):
        return (ListenAddressBusy if error.errno == socket.EAI_AGAIN else Misconfigured)(words)
    return (ListenAddressBusy if error.errno in _PASSES else Misconfigured)(words)
