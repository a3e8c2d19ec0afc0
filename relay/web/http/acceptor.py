"""Accept connections fast and begin them in turn, so that a burst of one peer does not delay those of others.

The kernel hands over connections in the order of their arrival, and an event loop begins all that have arrived before
it does other work: a thousand at once hold it for half a second. Here a connection waits, as a socket, for the turn of
its peer.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from relay.turns import Turns
from relay.web.http.peers import peer_name

_AT_ONCE: Final = 64  # accepted before the loop does other work
_REST_SECONDS: Final = 0.2  # after a failure of accept, as without free file descriptors

log = structlog.get_logger("relay.web")
Address = Sequence[str | int]


class Acceptor:
    """The connections of one listening socket, from accept to their protocol."""

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        *,
        most_waiting: int,
        most_of_peer: Callable[[Address], int],
        count_bound: Callable[[str], None],
    ) -> None:
        """*most_of_peer* tells how many connections of a client may wait; further ones are closed."""
        self._loop = asyncio.get_running_loop()
        self.listener = listener
        self._factory = factory
        self._most_waiting = most_waiting
        self._most_of_peer = most_of_peer
        self._count_bound = count_bound
        self._turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: Counter[str] = Counter()
        self._is_closed = self._is_paused = False

    def start(self, backlog: int) -> None:
        """Listen, with *backlog* connections that the kernel keeps."""
        self.listener.listen(backlog)
        self._loop.add_reader(self.listener, self._accept)

    async def close(self) -> None:
        """Accept no more, and drop the connections that have not begun; none begins afterwards."""
        self._is_closed = True
        self._loop.remove_reader(self.listener)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("accept_failed", cause=str(error), again_in_seconds=_REST_SECONDS)
                self._pause()
                self._loop.call_later(_REST_SECONDS, self._resume)
                return
            self._take(connection, address)
            if len(self._tasks) >= self._most_waiting:
                self._pause()
                return

    def _take(self, connection: socket.socket, address: Address) -> None:
        peer = peer_name(address)
        if self._waiting[peer] >= self._most_of_peer(address):
            self._count_bound("http_connections_per_peer")
            connection.close()
            return
        self._waiting[peer] += 1
        connection.setblocking(False)
        task = self._loop.create_task(self._begin(connection, peer))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._begun(done, connection, peer))

    async def _begin(self, connection: socket.socket, peer: str) -> None:
        await self._turns.next(peer)
        await self._loop.connect_accepted_socket(self._factory, connection)

    def _begun(self, task: asyncio.Task[None], connection: socket.socket, peer: str) -> None:
        self._tasks.discard(task)
        self._waiting[peer] -= 1
        if not self._waiting[peer]:
            del self._waiting[peer]
        if task.cancelled() or task.exception():  # OSError: the client has gone
            connection.close()
        if self._is_paused and len(self._tasks) < self._most_waiting:
            self._resume()

    def _pause(self) -> None:
        self._is_paused = True
        self._loop.remove_reader(self.listener)

    def _resume(self) -> None:
        if self._is_paused and not self._is_closed:
            self._is_paused = False
            self._loop.add_reader(self.listener, self._accept)
