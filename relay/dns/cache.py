"""Caching DNS resolver: keeps answers by TTL, with a bounded number of entries.

Negative answers are cached for the time the zone gives (RFC 2308), failures for seconds only.
Concurrent lookups of the same name and type share one query; cancelling one waiter does not
affect the others.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.resolver

from relay.dns.exchange import Nameserver, exchange
from relay.dns.resolver import DnsAnswer, RdType
from relay.dns.wire import question, read
from relay.errors import DnsUnavailable, Misconfigured

_ABSENT: Final = DnsAnswer(records=(), exists=False, ttl=0)
_TRIES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """Maximum number of entries, and bounds on how many seconds an entry is kept."""

    entries: int = 50_000
    shortest: float = 5
    longest: float = 3600
    longest_negative: float = 900
    failure: float = 5


@dataclass(frozen=True, slots=True)
class _Entry:
    until: float
    answer: DnsAnswer | None  # None: no nameserver answered


class CachingResolver:
    """A `Resolver` that queries *nameservers* in turn and caches their answers.

    Args:
        nameservers: Addresses with ports; None uses the nameservers of the operating system.
        monotonic: A monotonic clock, in seconds.
        seconds: Timeout of one attempt at one nameserver.
        limits: Limits of the cache.
        concurrent: Maximum number of queries in progress; further queries wait.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver] | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        seconds: float = 2,
        limits: CacheLimits | None = None,
        concurrent: int = 256,
    ) -> None:
        self._nameservers = tuple(system_nameservers() if nameservers is None else nameservers)
        self._monotonic = monotonic
        self._seconds = seconds
        self._limits = limits or CacheLimits()
        self._kept: OrderedDict[tuple[str, RdType], _Entry] = OrderedDict()
        self._asking: dict[tuple[str, RdType], asyncio.Task[DnsAnswer | None]] = {}
        self._slots = asyncio.Semaphore(concurrent)

    def __len__(self) -> int:
        return len(self._kept)

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Look up *name* in the cache, else in DNS.

        Raises DnsUnavailable if no nameserver answers in time.
        """
        key = (name.lower().removesuffix("."), rdtype)
        entry = self._kept.get(key)
        if entry is not None and entry.until > self._monotonic():
            self._kept.move_to_end(key)
            answer = entry.answer
        else:
            answer = await self._share(key)
        if answer is None:
            raise DnsUnavailable(f"no nameserver answered the {rdtype} query")
        return answer

    async def refresh(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Query *name* without reading the cache, and cache the answer.

        Raises DnsUnavailable.
        """
        key = (name.lower().removesuffix("."), rdtype)
        async with self._slots:
            answer = await self._ask(*key)
        self._keep_answer(key, answer)
        return answer

    async def close(self) -> None:
        """Cancel all queries in progress; their callers get DnsUnavailable."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _share(self, key: tuple[str, RdType]) -> DnsAnswer | None:
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask_and_keep(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # If only this waiter was cancelled, the task still runs; a cancelled task means close().
            if task.cancelled():
                return None
            raise

    async def _ask_and_keep(self, key: tuple[str, RdType]) -> DnsAnswer | None:
        try:
            async with self._slots:
                answer = await self._ask(*key)
        except DnsUnavailable:
            self._keep(key, _Entry(self._monotonic() + self._limits.failure, None))
            return None
        self._keep_answer(key, answer)
        return answer

    async def _ask(self, name: str, rdtype: RdType) -> DnsAnswer:
        for _ in range(_TRIES):
            for nameserver in self._nameservers:
                # Built for each attempt, so that each attempt has its own query id.
                query = question(name, rdtype)
                if query is None:
                    return _ABSENT
                try:
                    return read(await exchange(query, nameserver, seconds=self._seconds), rdtype)
                except DnsUnavailable:
                    continue
        raise DnsUnavailable

    def _keep_answer(self, key: tuple[str, RdType], answer: DnsAnswer) -> None:
        most = self._limits.longest if answer.records else self._limits.longest_negative
        self._keep(key, _Entry(self._monotonic() + min(max(answer.ttl, self._limits.shortest), most), answer))

    def _keep(self, key: tuple[str, RdType], entry: _Entry) -> None:
        self._kept[key] = entry
        self._kept.move_to_end(key)
        if len(self._kept) > self._limits.entries:
            self._kept.popitem(last=False)


class FreshResolver:
    """A `Resolver` without cache reads, to see records published a moment ago.

    It cannot bypass the cache of the nameserver itself, which may report a missing record for as
    long as the zone's negative TTL.
    """

    def __init__(self, resolver: CachingResolver) -> None:
        self._resolver = resolver

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Query *name*. Raises DnsUnavailable if no nameserver answers in time."""
        return await self._resolver.refresh(name, rdtype)


def system_nameservers() -> tuple[Nameserver, ...]:
    """The nameservers of the operating system. Raises Misconfigured if there are none."""
    try:
        found = dns.resolver.Resolver(configure=True)
    except (OSError, dns.resolver.NoResolverConfiguration) as error:
        raise Misconfigured("this machine has no nameserver; set MAILSEAL_DNS_NAMESERVERS") from error
    return tuple((str(address), found.port) for address in found.nameservers)
