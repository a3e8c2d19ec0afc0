"""Run a coroutine without a task: it goes on inside the callback that brings what it waits for.

A task needs a future for each wait, and goes on one turn of the loop later. An SMTP client waits for the reply to each
command before it sends the next one, so both would be paid for every command.
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final

_PARKED: Final = object()


@coroutine
def parked() -> Generator[object, None, None]:
    """Wait for the next ``Stepped.wake``; what was waited for may not have happened then."""
    yield _PARKED


class Stepped:
    """A coroutine that awaits ``parked`` and futures; what needs a task of its own must make one."""

    def __init__(self, loop: AbstractEventLoop, ended: Callable[[BaseException | None], None]) -> None:
        """*ended* is called once, with the exception that the coroutine raised."""
        self._loop = loop
        self._ended = ended
        self._coroutine: Coroutine[object, None, None] | None = None
        self._future: Future[Any] | None = None
        self._is_parked = False

    @property
    def is_running(self) -> bool:
        """Whether the coroutine has begun and not ended."""
        return self._coroutine is not None

    def start(self, steps: Coroutine[object, None, None]) -> None:
        """Run *steps* to its first wait."""
        self._coroutine = steps
        self._step()

    def wake(self) -> None:
        """Go on at once if the coroutine is parked."""
        if self._is_parked:
            self._step()

    def wake_soon(self) -> None:
        """Go on in the loop's next turn, for callers in whose middle a session must not end."""
        if self._is_parked:
            self._loop.call_soon(self.wake)

    def cancel(self) -> None:
        """Raise CancelledError in the coroutine, if it waits for a future."""
        if self._future is not None:
            self._future.cancel()

    def _step(self, _: object = None) -> None:
        assert self._coroutine is not None
        self._is_parked, self._future = False, None
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._end(None)
        except BaseException as error:
            self._end(error)
            if not isinstance(error, Exception):
                raise
        else:
            self._wait_for(awaited)

    def _wait_for(self, awaited: object) -> None:
        if awaited is _PARKED:
            self._is_parked = True
        elif isinstance(awaited, Future):
            awaited._asyncio_future_blocking = False  # noqa: SLF001 (as each runner of coroutines must, PEP 3156)
            self._future = awaited
            awaited.add_done_callback(self._step)
        else:  # asyncio.sleep(0)
            self._loop.call_soon(self._step)

    def _end(self, error: BaseException | None) -> None:
        self._coroutine = None
        self._ended(error)
