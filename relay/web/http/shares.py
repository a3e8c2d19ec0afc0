"""Shares of what requests hold while they run: places for waiting ones, and bytes of large ones."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from relay.web.answers.errors import TooManyAtOnce

_PATIENCE: Final = 5.0  # seconds to wait for bytes


class Shares:
    """Counts what each holder has; a holder is named, and each kind of name has its bound.

    *total* bounds all holders together. A holder with none may take one larger than its own bound.
    """

    def __init__(self, bound: str, *, total: int, bounds: Mapping[str, int], count: Callable[[str], None]) -> None:
        self._bound = bound
        self._total = total
        self._bounds = bounds
        self._count = count
        self._held: dict[tuple[str, str], int] = {}
        self._sum = 0
        self._freed = asyncio.Event()

    def __len__(self) -> int:
        return self._sum

    @contextmanager
    def held(self, holders: Mapping[str, str], amount: int = 1, *, is_due: bool = False) -> Generator[None]:
        """Hold *amount* meanwhile, for each of *holders*, by kind; what *is_due* is held beyond the bounds, too.

        Raises TooManyAtOnce.
        """
        kind = self._exhausted(holders, amount)
        if kind is not None and not is_due:
            self._refuse(kind)
        self._change(holders, amount)
        try:
            yield
        finally:
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
                    await self._freed.wait()
        except TimeoutError:
            self._refuse(kind)

    def _exhausted(self, holders: Mapping[str, str], amount: int) -> str | None:
        """The kind of holder whose bound *amount* would pass; None if there is room."""
        for kind, name in holders.items():
            held = self._held.get((kind, name), 0)
            if held and held + amount > self._bounds[kind]:
                return kind
        return "all" if self._sum and self._sum + amount > self._total else None

    def _change(self, holders: Mapping[str, str], amount: int) -> None:
        self._sum += amount
        for holder in holders.items():
            self._held[holder] = self._held.get(holder, 0) + amount
            if not self._held[holder]:
                del self._held[holder]

    def _refuse(self, kind: str | None) -> None:
        self._count(f"{self._bound}_of_{kind}")
        told = {"key": "of this API key", "user": "of this user", "peer": "from this address"}.get(kind or "", "")
        raise TooManyAtOnce(f"too many requests {told or 'of all users'} {_SAYS[self._bound]} at the same time")


_SAYS: Final = {"http_waits": "wait or stream", "http_bytes": "carry large bodies or answers"}
