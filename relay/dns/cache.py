"""Caching DNS resolver: keeps answers by TTL, with a bounded number of bytes.

Negative answers are cached for the time the zone gives (RFC 2308), failures for seconds only.
Concurrent lookups of the same name and type share one query; cancelling one waiter does not
affect the others. Queries in progress are shared between peers and messages (relay/dns/shares.py), and a
question whose last waiter has gone is not asked any more. Names below a zone that does not answer fail
at once (relay/dns/silence.py).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.resolver

from relay.dns.exchange import Nameserver, exchange
from relay.dns.resolver import RELAY, Asker, DnsAnswer, RdType
from relay.dns.shares import Count, QuerySlots, ShareLimits, Ticket
from relay.dns.silence import SilentZones
from relay.dns.wire import question, read
from relay.errors import DnsUnavailable, Misconfigured

_ABSENT: Final = DnsAnswer(records=(), exists=False, ttl=0)
_TRIES: Final = 2
PATIENCE: Final = 1.0  # seconds a query has for certain; then it gives its slot to a peer that has hardly any
_LOOK_SECONDS: Final = 0.25  # between two looks for such a query
_ENTRY_BYTES: Final = 600  # of an entry without its records: key, answer, places in the tables
_RECORD_BYTES: Final = 64

Key = tuple[str, RdType]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """Maximum size of the cache, and bounds on how many seconds an entry is kept."""

    entries: int = 50_000
    bytes: int = 64 * 1024 * 1024
    record_bytes: int = 8 * 1024  # an answer with more is returned, but not kept
    shortest: float = 5
    longest: float = 3600
    longest_negative: float = 900
    failure: float = 5


@dataclass(frozen=True, slots=True)
class _Entry:
    until: float
    answer: DnsAnswer | None  # None: no nameserver answered

    def size(self, key: Key) -> int:
        """Bytes that the entry occupies, roughly and rather too many."""
        records = self.answer.records if self.answer is not None else ()
        return _ENTRY_BYTES + len(key[0]) + sum(_RECORD_BYTES + len(record) for record in records)


class CachingResolver:
    """A `Resolver` that queries *nameservers* in turn and caches their answers.

    Args:
        nameservers: Addresses with ports; None uses the nameservers of the operating system.
        monotonic: A monotonic clock, in seconds.
        seconds: Timeout of one attempt at one nameserver.
        limits: Limits of the cache.
        shares: How many queries may be in progress, in all and for one peer and one message.
        count: Called with the name of a bound that was reached.
        observe: Called with the seconds from each query to its answer or failure.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver] | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        seconds: float = 2,
        limits: CacheLimits | None = None,
        shares: ShareLimits | None = None,
        count: Count = lambda _: None,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._nameservers = tuple(system_nameservers() if nameservers is None else nameservers)
        self._monotonic = monotonic
        self._seconds = seconds
        self._limits = limits or CacheLimits()
        self._count = count
        self._observe = observe
        self._kept: OrderedDict[Key, _Entry] = OrderedDict()
        self._bytes = 0
        self._asking: dict[Key, asyncio.Task[DnsAnswer | None]] = {}
        self._begun: dict[Key, tuple[float, Asker]] = {}  # of the queries in progress
        self._queued: dict[Key, dict[Ticket, None]] = {}
        self._shares = QuerySlots(shares, count=count)
        self._silence = SilentZones(monotonic)
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._answered_at = float("-inf")
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Bytes of the cache, roughly."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """Questions that wait for a slot."""
        return self._shares.waiting

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:
        """Look up *name* in the cache, else in DNS.

        Raises DnsUnavailable if no nameserver answers in time.
        """
        key = (name.lower().removesuffix("."), rdtype)
        entry = self._kept.get(key)
        if entry is not None and entry.until > self._monotonic():
            self._kept.move_to_end(key)
            answer = entry.answer
        else:
            answer = await self._share(key, asker)
        if answer is None:
            raise DnsUnavailable(f"no nameserver answered the {rdtype} query")
        return answer

    async def refresh(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Query *name* without reading the cache, and cache the answer.

        Raises DnsUnavailable.
        """
        key = (name.lower().removesuffix("."), rdtype)
        if not await self._take_slot(key, RELAY, shared=False):
            raise DnsUnavailable("too many DNS questions wait")
        try:
            answer = await self._ask(*key)
        finally:
            self._shares.give_back(RELAY)
        self._keep_answer(key, answer)
        return answer

    async def close(self) -> None:
        """Cancel all queries in progress; their callers get DnsUnavailable."""
        self._closed = True
        for tickets in list(self._queued.values()):
            for ticket in list(tickets):
                self._shares.leave(ticket, joined=True)
        tasks = [*self._asking.values(), *self._probes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _share(self, key: Key, asker: Asker) -> DnsAnswer | None:
        """The answer of the query for *key* in progress, which is begun if there is none."""
        task = self._asking.get(key)
        if task is None:
            if self._closed or await self._is_silent(key[0]):
                return None
            holds = await self._take_slot(key, asker)
            task = self._asking.get(key)
            if not holds and task is None:
                kept = self._kept.get(key)
                return kept.answer if kept is not None else None
            if holds:
                if task is None and not self._silence.is_silent(key[0]) and not self._closed:
                    task = self._begin(key, asker)
                else:
                    self._shares.give_back(asker)
                    if task is None:
                        return None
        assert task is not None
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # If only this waiter was cancelled, the task still runs; a cancelled task means close().
            if task.cancelled():
                return None
            raise

    async def _take_slot(self, key: Key, asker: Asker, *, shared: bool = True) -> bool:
        """Wait for a slot; False if none is needed, as another caller asks, or if too many wait."""
        ticket = self._shares.enter(asker)
        if ticket is None:
            return False
        if ticket.granted.done():
            return ticket.granted.result()
        if shared:
            self._queued.setdefault(key, {})[ticket] = None
        try:
            while self._shares.is_newcomer(asker) and not ticket.granted.done():
                await asyncio.wait({ticket.granted}, timeout=_LOOK_SECONDS)
                if not ticket.granted.done():
                    self._make_room()
            return await asyncio.shield(ticket.granted)
        except asyncio.CancelledError:
            self._shares.leave(ticket)
            raise
        finally:
            tickets = self._queued.get(key)
            if tickets is not None:
                tickets.pop(ticket, None)
                if not tickets:
                    del self._queued[key]

    def _make_room(self) -> None:
        """End the query that has waited longest, of the least rank, if it has had its time."""
        latest = self._monotonic() - PATIENCE
        old = [(-asker.rank, began, key) for key, (began, asker) in self._begun.items() if began <= latest]
        if old:
            _, began, key = min(old)
            self._count("dns_slow_query")
            del self._begun[key]
            self._asking[key].cancel()
            self._note_silence(key[0], began)

    def _begin(self, key: Key, asker: Asker) -> asyncio.Task[DnsAnswer | None]:
        """Start the query for *key* in the slot of *asker*; all who wait for a slot for it join."""
        task = asyncio.create_task(self._ask_and_keep(key))
        self._asking[key] = task
        self._begun[key] = (self._monotonic(), asker)

        def end(_: object) -> None:
            self._asking.pop(key, None)
            self._begun.pop(key, None)
            self._shares.give_back(asker)

        task.add_done_callback(end)
        for ticket in list(self._queued.get(key, ())):
            if not ticket.granted.done():
                self._shares.leave(ticket, joined=True)
        return task

    async def _ask_and_keep(self, key: Key) -> DnsAnswer | None:
        began = self._monotonic()
        try:
            answer = await self._ask(*key)
        except DnsUnavailable:
            self._keep(key, _Entry(self._monotonic() + self._limits.failure, None))
            self._note_silence(key[0], began)
            return None
        finally:
            self._observe(self._monotonic() - began)
        self._keep_answer(key, answer)
        return answer

    def _note_silence(self, name: str, began: float) -> None:
        """Ask for the zone of a silent *name*, if its nameservers may be down while others answer."""
        if self._answered_at < began:  # then the fault may be our nameservers'
            return
        self._silence.add(name)
        suffix = self._silence.suspect(name)
        if suffix is not None and suffix not in self._probes and not self._closed:
            task = self._probes[suffix] = asyncio.create_task(self._probe(name))
            task.add_done_callback(lambda _: self._probes.pop(suffix, None))

    async def _probe(self, name: str) -> None:
        """Ask for the suffixes of *name* that may be silent zones, until one does not answer."""
        while (suffix := self._silence.suspect(name)) is not None:
            try:
                await self._ask(suffix, "A", tries=1)
            except DnsUnavailable:
                self._count("dns_silent_zone")
                self._silence.settle(suffix, silent=True)
                return
            self._silence.settle(suffix, silent=False)

    async def _is_silent(self, name: str) -> bool:
        """Whether *name* is below a silent zone; waits for a zone that is being asked for."""
        if self._probes:
            for suffix, probe in list(self._probes.items()):
                if name.endswith("." + suffix):
                    await asyncio.wait({probe})
        return self._silence.is_silent(name)

    async def _ask(self, name: str, rdtype: RdType, *, tries: int = _TRIES) -> DnsAnswer:
        for _ in range(tries):
            for nameserver in self._nameservers:
                # Built for each attempt, so that each attempt has its own query id.
                query = question(name, rdtype)
                if query is None:
                    return _ABSENT
                try:
                    answer = read(await exchange(query, nameserver, seconds=self._seconds, count=self._count), rdtype)
                except DnsUnavailable:
                    continue
                self._answered_at = self._monotonic()
                return answer
        raise DnsUnavailable

    def _keep_answer(self, key: Key, answer: DnsAnswer) -> None:
        if answer.size > self._limits.record_bytes:
            self._count("dns_large_answer")
            return
        most = self._limits.longest if answer.records else self._limits.longest_negative
        self._keep(key, _Entry(self._monotonic() + min(max(answer.ttl, self._limits.shortest), most), answer))

    def _keep(self, key: Key, entry: _Entry) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= before.size(key)
        self._kept[key] = entry
        self._bytes += entry.size(key)
        while len(self._kept) > self._limits.entries or self._bytes > self._limits.bytes:
            oldest, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.size(oldest)
            self._count("dns_cache")


class FreshResolver:
    """A `Resolver` without cache reads, to see records published a moment ago.

    It cannot bypass the cache of the nameserver itself, which may report a missing record for as
    long as the zone's negative TTL.
    """

    def __init__(self, resolver: CachingResolver) -> None:
        self._resolver = resolver

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:  # noqa: ARG002
        """Query *name*. Raises DnsUnavailable if no nameserver answers in time."""
        return await self._resolver.refresh(name, rdtype)


def system_nameservers() -> tuple[Nameserver, ...]:
    """The nameservers of the operating system. Raises Misconfigured if there are none."""
    try:
        found = dns.resolver.Resolver(configure=True)
    except (OSError, dns.resolver.NoResolverConfiguration) as error:
        raise Misconfigured("this machine has no nameserver; set MAILSEAL_DNS_NAMESERVERS") from error
    return tuple((str(address), found.port) for address in found.nameservers)
