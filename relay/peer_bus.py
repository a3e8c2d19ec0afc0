"""Messages between the workers of one daemon: wake-ups after a commit, metrics, and marks of workers that have died.

Each worker has an inbox, a socket that keeps messages while the worker is started again. A message that does not fit
into a full inbox is dropped; instead of a lost wake-up the worker is later told to wake all its waiters.
"""

import asyncio
import json
import socket
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

_LARGEST: Final = 262_144  # bytes of one message
_MOST_TOPICS: Final = 500  # in one message; with more the worker wakes all
_ANSWER_SECONDS: Final = 1.0  # for metrics; a worker that hangs is left out then
_AGAIN_SECONDS: Final = 0.05
_WAKE, _WAKE_ALL, _LOST, _ASK, _TELL = b"w", b"*", b"l", b"a", b"t"

Snapshot = list[Any]
"""What Metrics.snapshot returns."""


class Inboxes:
    """The inboxes of all workers; made before any of them starts."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
        self.read = [pair[0] for pair in pairs]
        self._write = [pair[1] for pair in pairs]
        for each in (*self.read, *self._write):
            each.setblocking(False)

    def __len__(self) -> int:
        return len(self.read)

    def put(self, number: int, message: bytes) -> bool:
        """Put *message* into the inbox of worker *number*; False when it is full."""
        try:
            self._write[number].send(message, socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close all inboxes in this process."""
        for each in (*self.read, *self._write):
            each.close()

    def tell_lost(self, number: int, mark: str) -> None:
        """Tell worker *number* that the process whose ids have *mark* has died."""
        self.put(number, _LOST + mark.encode())


class PeerBus:
    """The bus as one worker uses it, from start() to stop()."""

    def __init__(self, inboxes: Inboxes, number: int) -> None:
        self._inboxes = inboxes
        self._number = number
        self._peers = [each for each in range(len(inboxes)) if each != number]
        self._behind: set[int] = set()  # peers that must wake all
        self._is_from_peer = False
        self._questions = 0
        self._answers: dict[int, tuple[int, Snapshot]] = {}  # by peer, with the number of the question
        self._told = asyncio.Event()
        self.on_wake: Callable[[Iterable[str] | None], None] = lambda _: None  # None: wake all
        self.on_lost: Callable[[str], None] = lambda _: None
        self.snapshot: Callable[[], Snapshot] = list

    def start(self) -> None:
        """Begin to read the inbox, on the running loop."""
        asyncio.get_running_loop().add_reader(self._inboxes.read[self._number].fileno(), self._read)

    def stop(self) -> None:
        """End."""
        asyncio.get_running_loop().remove_reader(self._inboxes.read[self._number].fileno())

    def wake(self, topics: Iterable[str]) -> None:
        """Wake the peers' waiters of *topics*, unless a peer has sent them."""
        found = list(topics)
        if self._is_from_peer or not found:
            return
        message = _WAKE + "\n".join(found).encode() if len(found) <= _MOST_TOPICS else _WAKE_ALL
        for peer in self._peers:
            if not self._inboxes.put(peer, message):
                self._catch_up_later(peer)

    async def snapshots(self) -> list[Snapshot]:
        """The metrics of all peers that answer in time."""
        self._questions += 1
        question = self._questions
        asked = [peer for peer in self._peers if self._inboxes.put(peer, b"%b%d %d" % (_ASK, self._number, question))]
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                while any(self._answers.get(peer, (0, []))[0] < question for peer in asked):
                    self._told.clear()
                    await self._told.wait()
        return [self._answers[peer][1] for peer in asked if self._answers.get(peer, (0, []))[0] >= question]

    def _catch_up_later(self, peer: int) -> None:
        if peer not in self._behind:
            self._behind.add(peer)
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._catch_up, peer)

    def _catch_up(self, peer: int) -> None:
        self._behind.discard(peer)
        if not self._inboxes.put(peer, _WAKE_ALL):
            self._catch_up_later(peer)

    def _read(self) -> None:
        """Take what is in the inbox."""
        with suppress(BlockingIOError):
            while message := self._inboxes.read[self._number].recv(_LARGEST):
                self._take(message[:1], message[1:])

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind in (_WAKE, _WAKE_ALL):
            self._is_from_peer = True
            try:
                self.on_wake(body.decode().split("\n") if kind == _WAKE else None)
            finally:
                self._is_from_peer = False
        elif kind == _LOST:
            self.on_lost(body.decode())
        elif kind == _ASK:
            peer, question = map(int, body.split())
            answer = zlib.compress(json.dumps([self._number, question, self.snapshot()]).encode(), 1)
            self._inboxes.put(peer, _TELL + answer)
        elif kind == _TELL:
            peer, question, found = json.loads(zlib.decompress(body))
            self._answers[peer] = question, found
            self._told.set()
