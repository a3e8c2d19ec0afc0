"""The sender address of each message: the agent's own where the provider sends for its domain, else a shared one.

A provider refuses mail from a domain that is not verified with it. Its answer about a domain is cached for a while in
this process; while it cannot be reached, the last answer counts.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from relay.errors import CourierBusy
from store.directory.reserved import RELAY_LOCAL, SHARED_LOCAL

VERIFIED_SECONDS: Final = 300.0
UNVERIFIED_SECONDS: Final = 15.0  # short: the owner of a domain that was verified just now waits for it
_MAX_CACHED: Final = 10_000  # domains


class IdentityCheck(Protocol):
    """Whether the provider sends mail from a domain."""

    async def __call__(self, domain: str) -> bool:
        """Ask the provider over the network. Raises CourierBusy."""
        ...


@dataclass(frozen=True, slots=True)
class _Cached:
    is_verified: bool
    until: float  # of the stopwatch


class Senders:
    """The sender addresses of one relay."""

    def __init__(
        self,
        *,
        from_domain: str | None,
        identity_check: IdentityCheck | None = None,
        stopwatch: Callable[[], float] | None = None,
        letters_take_null_path: bool = False,
    ) -> None:
        """Without *from_domain* there is no shared address: a message always leaves from its agent's own.

        Without *identity_check* every domain counts as verified; *stopwatch* answers seconds from any start.
        *letters_take_null_path*: the courier sends from the null reverse-path, so letters produce no bounces.
        """
        self._from_domain = from_domain
        self._identity_check = identity_check
        self._stopwatch = stopwatch or (lambda: asyncio.get_running_loop().time())
        self._cached: dict[str, _Cached] = {}
        self.letters_take_null_path = letters_take_null_path

    async def shared_from(self, agent: str) -> str | None:
        """The shared address that replaces *agent*'s own as sender; None where the agent's own is used."""
        if self._from_domain is None:
            return None
        domain = agent.rpartition("@")[2]
        if domain == self._from_domain or await self._is_verified(domain):
            return None
        return f"{SHARED_LOCAL}@{self._from_domain}"

    def letters_from(self, agent: str, *, nonce: str = "") -> str:
        """The address that letters about *agent* come from; with *nonce* the one that a single letter comes from.

        No agent has it (store/directory/reserved.py): a letter that bounces comes back with its link.
        """
        local = f"{RELAY_LOCAL}+{nonce}" if nonce else RELAY_LOCAL
        return f"{local}@{self._from_domain or agent.rpartition('@')[2]}"

    async def _is_verified(self, domain: str) -> bool:
        if self._identity_check is None:
            return True
        cached = self._cached.get(domain)
        if cached is not None and self._stopwatch() < cached.until:
            return cached.is_verified
        try:
            is_verified = await self._identity_check(domain)
        except CourierBusy:
            return cached is not None and cached.is_verified
        self._remember(domain, is_verified=is_verified)
        return is_verified

    def _remember(self, domain: str, *, is_verified: bool) -> None:
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        seconds = VERIFIED_SECONDS if is_verified else UNVERIFIED_SECONDS
        self._cached[domain] = _Cached(is_verified, self._stopwatch() + seconds)
