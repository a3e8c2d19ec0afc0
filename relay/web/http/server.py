"""uvicorn on the daemon's own loop, on sockets the daemon has bound."""

import asyncio
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from relay.web.http.connection import connections_within
from relay.web.http.limits import DEFAULTS, ApiLimits

_KEEP_ALIVE_SECONDS: Final = 75
_STOP_SECONDS: Final = 0.1
_DATE_SECONDS: Final = 1
_LOOK_SECONDS: Final = 0.005
_AHEAD: Final = 131_072  # bytes that the kernel holds of an answer and has not sent


class _Server(uvicorn.Server):
    """uvicorn's, that tells when it is up and is told when to end: its own sleeps and looks, ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.leaving = asyncio.Event()
        self.grace_seconds: float = 0

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: they are the daemon's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve."""
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """Keep the Date header current until told to end."""
        while not self.leaving.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), _DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, let requests under way end within the grace, and end those that did not."""
        for server in self.servers:
            server.close()
        for bound in sockets or []:
            bound.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            await asyncio.wait_for(self._emptied(), self.grace_seconds)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()

    async def _emptied(self) -> None:
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(_LOOK_SECONDS)


class WebServer:
    """Serves *app* from start() to stop(); *on_stop* has what waits inside the app end."""

    def __init__(
        self,
        app: ASGIApp,
        limits: ApiLimits = DEFAULTS,
        *,
        base_url: str = "",
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=connections_within(limits, base_url=base_url),
            ws="none",
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(config)
        self._on_stop = on_stop
        self._task: asyncio.Task[None] | None = None
        self.addresses: tuple[tuple[str, int], ...] = ()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._server.server_state.connections)

    async def start(self, endpoints: Sequence[tuple[str, int]]) -> None:
        """Bind and serve. Raises OSError when an endpoint cannot be bound."""
        sockets = [_bound(host, port) for host, port in endpoints]
        self.addresses = tuple((bound.getsockname()[0], bound.getsockname()[1]) for bound in sockets)
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait([up, self._task], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Let requests under way end within *grace_seconds*."""
        if self._task is None:
            return
        self._server.grace_seconds = grace_seconds
        self._server.leaving.set()
        while not self._task.done():  # a request may have begun to wait since
            self._on_stop()
            await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        await self._task


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections have it from here. Without it an answer's body waits 40 ms for the client's word on its head.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Else the kernel takes megabytes ahead, and a slow client looks like one that takes nothing.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _AHEAD)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
