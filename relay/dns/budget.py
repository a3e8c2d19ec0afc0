"""Limit the DNS queries of one message: a number of queries and a total time."""

import asyncio

from relay.dns.resolver import RELAY, Asker, DnsAnswer, Rank, RdType, Resolver
from relay.dns.shares import Count
from relay.errors import DnsUnavailable


class BudgetedResolver:
    """A `Resolver` that raises DnsUnavailable once its budget is used up.

    Each authentication step then ends in its own ``temperror``, so no task must be cancelled and
    no earlier result is lost. All questions are asked for *asker*. *count* is called once for each bound that the
    message reaches.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        seconds: float,
        questions: int,
        asker: Asker = RELAY,
        count: Count = lambda _: None,
    ) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._questions = questions
        self._asker = asker
        self._count = count
        self._reached: set[str] = set()

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker | None = None) -> DnsAnswer:
        """Look up *name*. Raises DnsUnavailable, also if the budget is used up."""
        self._questions -= 1
        if self._questions < 0 or self._loop.time() >= self._end:
            self._reach("dns_questions_of_mail" if self._questions < 0 else "dns_time_of_mail")
            raise DnsUnavailable("the DNS budget of this message is used up")
        try:
            async with asyncio.timeout_at(self._end):
                return await self._resolver.lookup(name, rdtype, asker=asker or self._asker)
        except TimeoutError as error:
            self._reach("dns_time_of_mail")
            raise DnsUnavailable("the DNS time limit of this message is over") from error

    def _reach(self, bound: str) -> None:
        if bound not in self._reached:
            self._reached.add(bound)
            self._count(bound)

    def ranked(self, rank: Rank) -> Resolver:
        """A `Resolver` with the same budget whose questions have *rank*."""
        return _Ranked(self, self._asker.ranked(rank))


class _Ranked:
    def __init__(self, resolver: BudgetedResolver, asker: Asker) -> None:
        self._resolver = resolver
        self._asker = asker

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:  # noqa: ARG002
        return await self._resolver.lookup(name, rdtype, asker=self._asker)
