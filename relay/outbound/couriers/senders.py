"""Which address a mail leaves from: the agent's own where its domain is set up for sending, else a shared one.

A provider refuses mail from a domain that nobody has proved to it. What it says of a domain is believed for
a while, in this process alone; where it cannot be asked, what it said last.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from relay.errors import CourierBusy

PROVED_SECONDS: Final = 300.0
UNPROVED_SECONDS: Final = 15.0  # whoever has just set a domain up does not want to wait
SHARED_LOCAL: Final = "agents"
LETTERS_LOCAL: Final = "mailseal"
_MOST: Final = 10_000  # domains in mind


class AskProvider(Protocol):
    """Whether the provider sends mail from a domain."""

    async def __call__(self, domain: str) -> bool:
        """Ask, over the network. Raises CourierBusy."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    is_proved: bool
    until: float  # of the stopwatch


class Senders:
    """The addresses of one relay."""

    def __init__(
        self, *, from_domain: str | None, ask: AskProvider | None = None, stopwatch: Callable[[], float] | None = None
    ) -> None:
        """Without *from_domain* there is no shared address: a mail always leaves from its agent's own.

        Without *ask* every domain is taken to be set up; *stopwatch* answers seconds since whenever.
        """
        self._from_domain = from_domain
        self._ask = ask
        self._stopwatch = stopwatch or (lambda: asyncio.get_running_loop().time())
        self._known: dict[str, _Known] = {}

    async def shared_from(self, agent: str) -> str | None:
        """The address that *agent*'s mail leaves from instead of its own; None where that will do."""
        if self._from_domain is None:
            return None
        domain = agent.rpartition("@")[2]
        return None if domain == self._from_domain or await self._is_proved(domain) else self._shared(SHARED_LOCAL)

    def letters_from(self, agent: str) -> str:
        """Where the relay's own letters about *agent* come from.

        Never from the agent's own address: a letter that bounces comes back with its link, which is not the agent's.
        """
        return f"{LETTERS_LOCAL}@{self._from_domain or agent.rpartition('@')[2]}"

    def _shared(self, local: str) -> str:
        return f"{local}@{self._from_domain}"

    async def _is_proved(self, domain: str) -> bool:
        if self._ask is None:
            return True
        known = self._known.get(domain)
        if known is not None and self._stopwatch() < known.until:
            return known.is_proved
        try:
            is_proved = await self._ask(domain)
        except CourierBusy:
            return known is not None and known.is_proved
        self._remember(domain, is_proved=is_proved)
        return is_proved

    def _remember(self, domain: str, *, is_proved: bool) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        lasts = PROVED_SECONDS if is_proved else UNPROVED_SECONDS
        self._known[domain] = _Known(is_proved, self._stopwatch() + lasts)
