"""The error for an address that cannot be listened on: one that time mends, or a wrong setting."""

import errno
import socket
from typing import Final

from relay.errors import ListenAddressBusy, Misconfigured, RelayError

# In use by a process that is ending, or an address that the network has not configured yet.
_PASSES: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})


def cannot_listen(host: str, port: int, error: OSError) -> RelayError:
    """The error to raise when *host* and *port* cannot be bound because of *error*."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    words = f"cannot listen on {shown}: {error.strerror or error}"
    if isinstance(error, socket.gaierror):
        return (ListenAddressBusy if error.errno == socket.EAI_AGAIN else Misconfigured)(words)
    return (ListenAddressBusy if error.errno in _PASSES else Misconfigured)(words)
