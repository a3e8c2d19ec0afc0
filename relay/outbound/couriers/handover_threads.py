"""Threads that hand mails over to a provider, and the stop that ends all waiting for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from relay.errors import CourierBusy

T = TypeVar("T")

AT_ONCE: Final = 8
_STOPPING: Final = "the mail was not handed over: the daemon is stopping; it is sent after the next start"


class HandoverThreads:
    """Runs blocking hand-overs, a few at once, until stop_accepting().

    A mail that waits (for a thread, or inside ``waiting()`` for a quota) has certainly not been handed over, so a stop
    ends its wait with CourierBusy. A hand-over that has begun goes on. For one event loop.
    """

    def __init__(self, name: str, *, at_once: int = AT_ONCE) -> None:
        self._threads = ThreadPoolExecutor(at_once + 1, thread_name_prefix=name)  # one more for run()
        self._slots = asyncio.Semaphore(at_once)
        self._waits: set[asyncio.Timeout] = set()
        self._is_stopped = False

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """A block that waits before the hand-over. Raises CourierBusy in it as soon as the courier stops accepting."""
        if self._is_stopped:
            raise CourierBusy(_STOPPING)
        wait = asyncio.timeout(None)
        try:
            async with wait:
                self._waits.add(wait)
                yield
        except TimeoutError as error:
            if not wait.expired():
                raise
            raise CourierBusy(_STOPPING) from error
        finally:
            self._waits.discard(wait)

    async def hand_over(self, call: Callable[[], T]) -> T:
        """Run *call* on a thread, when one is free. Raises CourierBusy where none was free before the stop."""
        async with self.waiting():
            await self._slots.acquire()
        try:
            return await self.run(call)
        finally:
            self._slots.release()

    async def run(self, call: Callable[[], T]) -> T:
        """Run a blocking *call* on a thread at once."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def stop_accepting(self) -> None:
        """Hand no further mail over: waits end with CourierBusy, and so does every later call."""
        self._is_stopped = True
        for wait in self._waits:
            wait.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Stop accepting, let running hand-overs end, and end the threads."""
        self.stop_accepting()
        await asyncio.to_thread(self._threads.shutdown)
