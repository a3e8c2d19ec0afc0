"""Bind the listening sockets of the SMTP server."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from relay.listening import cannot_listen

BACKLOG: Final = (
    4096  # connections the kernel keeps for accept; with too few it drops those of other peers for a second
)


def bind(hosts: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Bind a listening socket for each host and port; port 0 is a free port.

    ``::`` accepts IPv4 too, unless ``0.0.0.0`` is in *hosts*. Raises Misconfigured; ListenAddressBusy where waiting
    may help.
    """
    with ExitStack() as opened:
        sockets = [opened.enter_context(_bind(host, port, hosts)) for host, port in hosts]
        opened.pop_all()
    return sockets


def _bind(host: str, port: int, hosts: Sequence[tuple[str, int]]) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        alone = all(other != "0.0.0.0" for other, _ in hosts)  # noqa: S104 (compared, not bound)
        dual = family == socket.AF_INET6 and host == "::" and alone and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    except OSError as error:
        raise cannot_listen(host, port, error) from error
