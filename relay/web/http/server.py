"""Run uvicorn on the daemon's event loop, with graceful shutdown."""

import asyncio
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from relay.limits.counts import Counts
from relay.listening import cannot_listen
from relay.web.http.acceptor import Acceptor
from relay.web.http.connection import connection_class
from relay.web.http.in_turn import InTurn
from relay.web.http.limits import DEFAULTS, ApiLimits
from relay.web.http.peers import TrustedProxies
from relay.web.http.pool import ConnectionPool
from relay.web.http.required_parts import check_http_libraries

_BACKLOG: Final = 4096  # connections the kernel keeps for accept; with too few it drops those of other peers
_KEEP_ALIVE_SECONDS: Final = 75
_STOP_SECONDS: Final = 0.1
_DATE_SECONDS: Final = 1
_POLL_SECONDS: Final = 0.005
_UNSENT_BYTES: Final = 131_072  # limit of unsent response bytes in the kernel's send buffer


class _Server(uvicorn.Server):
    """uvicorn server with events for "started" and "stop", instead of polling."""

    def __init__(self, config: uvicorn.Config, acceptor: Callable[[socket.socket, "_Server"], Acceptor]) -> None:
        super().__init__(config)
        self._acceptor = acceptor
        self.acceptors: Sequence[Acceptor] = ()
        self.up = asyncio.Event()
        self.stopping = asyncio.Event()
        self.grace_seconds: float = 0

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do not install signal handlers: the daemon handles signals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving *sockets* and set the event ``up``."""
        self.acceptors = [self._acceptor(bound, self) for bound in sockets or ()]
        for each in self.acceptors:
            each.start(self.config.backlog)
        self.started = True
        self.up.set()

    async def main_loop(self) -> None:
        """Update the Date header until the server is told to stop."""
        while not self.stopping.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), _DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, wait up to the grace period for open requests, then cancel them."""
        for acceptor in self.acceptors:
            await acceptor.close()
        for bound in sockets or []:
            bound.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            await asyncio.wait_for(self._wait_until_idle(), self.grace_seconds)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()

    async def _wait_until_idle(self) -> None:
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(_POLL_SECONDS)


class WebServer:
    """Serves *app* between start() and stop().

    *on_stop* is called at the stop and must end requests that wait for an event. *count_bound* counts the limits of
    connections that are reached, by name; they are those of all servers that share *counts*.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: ApiLimits = DEFAULTS,
        *,
        base_url: str = "",
        on_stop: Callable[[], None] = lambda: None,
        count_bound: Callable[[str], None] = lambda _: None,
        counts: Counts | None = None,
    ) -> None:
        check_http_libraries()
        proxied = TrustedProxies(InTurn(app), limits.trusted_proxies)
        pool = ConnectionPool(limits, count_bound, counts)
        config = uvicorn.Config(
            proxied,
            http=connection_class(limits, pool, proxied, base_url=base_url),
            proxy_headers=False,  # TrustedProxies reads them
            ws="none",
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            backlog=_BACKLOG,
        )
        self._limits, self._trusts, self._count_bound = limits, proxied.trusts, count_bound
        self._server = _Server(config, self._acceptor)
        self._on_stop = on_stop
        self._task: asyncio.Task[None] | None = None
        self.addresses: tuple[tuple[str, int], ...] = ()

    def _acceptor(self, listener: socket.socket, server: _Server) -> Acceptor:
        def connection() -> asyncio.Protocol:
            return server.config.http_protocol_class(  # type: ignore[call-arg]
                config=server.config, server_state=server.server_state, app_state=server.lifespan.state
            )

        limits = self._limits
        return Acceptor(
            listener,
            connection,
            most_waiting=limits.max_connections,
            most_of_peer=lambda client: (
                limits.max_connections if self._trusts(client) else limits.max_connections_per_peer
            ),
            count_bound=self._count_bound,
        )

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._server.server_state.connections)

    async def start(self, endpoints: Sequence[tuple[str, int]], *, sockets: Sequence[socket.socket] = ()) -> None:
        """Serve on *endpoints* and on *sockets* that systemd bound. Raises Misconfigured, ListenAddressBusy."""
        sockets = [*(_prepared(each) for each in sockets), *(_bound(host, port) for host, port in endpoints)]
        self.addresses = tuple((bound.getsockname()[0], bound.getsockname()[1]) for bound in sockets)
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait([up, self._task], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Stop accepting; open requests have *grace_seconds* to end."""
        if self._task is None:
            return
        self._server.grace_seconds = grace_seconds
        self._server.stopping.set()
        while not self._task.done():  # repeated: another request may have begun to wait
            self._on_stop()
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        await self._task


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise cannot_listen(host, port, error) from error
    return _prepared(bound)


def _prepared(bound: socket.socket) -> socket.socket:
    # Inherited by connections. Without it the body of a response waits 40 ms for the ACK of its head.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Otherwise the kernel buffers megabytes, and a slow client looks like one that reads nothing.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    bound.setblocking(False)
    return bound
