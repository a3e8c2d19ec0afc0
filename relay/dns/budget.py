"""Limit the DNS queries of one message: a number of queries and a total time."""

import asyncio

from relay.dns.resolver import DnsAnswer, RdType, Resolver
from relay.errors import DnsUnavailable


class BudgetedResolver:
    """A `Resolver` that raises DnsUnavailable once its budget is used up.

    Each authentication step then ends in its own ``temperror``, so no task must be cancelled and
    no earlier result is lost.
    """

    def __init__(self, resolver: Resolver, *, seconds: float, questions: int) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._questions = questions

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Look up *name*. Raises DnsUnavailable, also if the budget is used up."""
        self._questions -= 1
        if self._questions < 0 or self._loop.time() >= self._end:
            raise DnsUnavailable("the DNS budget of this message is used up")
        try:
            async with asyncio.timeout_at(self._end):
                return await self._resolver.lookup(name, rdtype)
        except TimeoutError as error:
            raise DnsUnavailable("the DNS time limit of this message is over") from error
