"""Shares of what requests hold while they run: places for waiting ones, and bytes of large ones."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from relay.limits.counts import ALL, Counts, OwnCounts
from relay.web.answers.errors import TooManyAtOnce

_PATIENCE: Final = 5.0  # seconds to wait for bytes
_LOOK_SECONDS: Final = 0.05


class Shares:
    """Counts what each holder has; a holder is named, and each kind of name has its bound.

    *total* bounds all holders together. A holder with none may take one larger than its own bound.
    """

    def __init__(
        self,
        bound: str,
        *,
        total: int,
        bounds: Mapping[str, int],
        count: Callable[[str], None],
        counts: Counts | None = None,
    ) -> None:
        """The bounds are those of all that share *counts*."""
        self._bound = bound
        self._total = total
        self._bounds = bounds
        self._count = count
        self._tally = (counts or OwnCounts()).tally(bound)
        self._freed = asyncio.Event()

    def __len__(self) -> int:
        return self._tally.of(ALL)

    @contextmanager
    def held(self, holders: Mapping[str, str], amount: int = 1, *, is_due: bool = False) -> Generator[None]:
        """Hold *amount* meanwhile, for each of *holders*, by kind; what *is_due* is held beyond the bounds, too.

        Raises TooManyAtOnce.
        """
        with self._tally.turn():
            kind = self._exhausted(holders, amount)
            if kind is not None and not is_due:
                self._refuse(kind)
            self._change(holders, amount)
        try:
            yield
        finally:
            with self._tally.turn():
                self._change(holders, -amount)
            self._freed.set()
            self._freed = asyncio.Event()

    @asynccontextmanager
    async def awaited(self, holders: Mapping[str, str], amount: int) -> AsyncGenerator[None]:
        """The same, once there is room for it. Raises TooManyAtOnce after some seconds without."""
        await self.wait(holders, amount)
        with self.held(holders, amount):
            yield

    async def wait(self, holders: Mapping[str, str], amount: int) -> None:
        """Return once *holders* may hold *amount*. Raises TooManyAtOnce after some seconds."""
        kind = None
        try:
            async with asyncio.timeout(_PATIENCE):
                while (kind := self._exhausted(holders, amount)) is not None:
                    await self._next_chance()
        except TimeoutError:
            self._refuse(kind)

    async def _next_chance(self) -> None:
        """Return when some was freed here; other processes do not tell, so that they are looked at now and then."""
        freed = self._freed
        if not self._tally.is_shared:
            await freed.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await freed.wait()

    def _exhausted(self, holders: Mapping[str, str], amount: int) -> str | None:
        """The kind of holder whose bound *amount* would pass; None if there is room."""
        for kind, name in holders.items():
            held = self._tally.of((kind, name))
            if held and held + amount > self._bounds[kind]:
                return kind
        total = self._tally.of(ALL)
        return "all" if total and total + amount > self._total else None

    def _change(self, holders: Mapping[str, str], amount: int) -> None:
        self._tally.add(ALL, amount)
        for holder in holders.items():
            self._tally.add(holder, amount)

    def _refuse(self, kind: str | None) -> None:
        self._count(f"{self._bound}_of_{kind}")
        told = {"key": "of this API key", "user": "of this user", "peer": "from this address"}.get(kind or "", "")
        raise TooManyAtOnce(f"too many requests {told or 'of all users'} {_SAYS[self._bound]} at the same time")


_SAYS: Final = {"http_waits": "wait or stream", "http_bytes": "carry large bodies or answers"}
