"""A set of asyncio tasks with one owner, drained at a stop, and a wait that a stop ends."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from relay.errors import Stopping

T = TypeVar("T")


class TaskSet:
    """Tasks that one part of the daemon spawned and that have not ended yet.

    asyncio keeps only weak references to tasks; this set keeps them alive. Results and exceptions belong to the
    caller that awaits the task.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def is_closed(self) -> bool:
        """Whether spawn refuses new work."""
        return self._is_closed

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run *work* as a task on the running loop. Raises Stopping after close(), and *work* does not begin."""
        if self._is_closed:
            work.close()
            raise Stopping
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """Refuse new work. Running tasks continue."""
        self._is_closed = True

    async def drain(self, grace_seconds: float) -> None:
        """Close, let the tasks end within *grace_seconds*, then cancel the late ones and wait until they have ended."""
        self.close()
        tasks = set(self._tasks)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Return after *seconds*, or as soon as *stop* is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
