"""uvicorn on the daemon's own loop, on sockets the daemon has bound."""

import asyncio
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from relay.web.connection import connections_within
from relay.web.limits import DEFAULTS, ApiLimits

_KEEP_ALIVE_SECONDS: Final = 75
_STOP_SECONDS: Final = 0.1
_AHEAD: Final = 131_072  # bytes that the kernel holds of an answer and has not sent


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: they are the daemon's."""
        yield


class WebServer:
    """Serves *app* from start() to stop(); *on_stop* has what waits inside the app end."""

    def __init__(
        self, app: ASGIApp, limits: ApiLimits = DEFAULTS, *, on_stop: Callable[[], None] = lambda: None
    ) -> None:
        config = uvicorn.Config(
            app,
            http=connections_within(limits),
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
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.005)

    async def stop(self, grace_seconds: float) -> None:
        """Let requests under way end within *grace_seconds*."""
        if self._task is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self._server.should_exit = True
        while not self._task.done():  # requests still come in until uvicorn has seen it
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
