"""What one mail may cost in DNS: a time by which every answer must be there, and a number of questions."""

import asyncio

from relay.dns.resolver import DnsAnswer, RdType, Resolver
from relay.errors import DnsUnavailable


class BudgetedResolver:
    """A `Resolver` that stops asking: past its end every name counts as one nobody answers for.

    Each step of authentication then comes to its own temperror by itself, so nothing has to
    be cancelled and no result already found is lost.
    """

    def __init__(self, resolver: Resolver, *, seconds: float, questions: int) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._questions = questions

    async def lookup(self, name: str, rdtype: RdType) -> DnsAnswer:
        """Ask for *name*. Raises DnsUnavailable, also when the budget is used up."""
        self._questions -= 1
        if self._questions < 0 or self._loop.time() >= self._end:
            raise DnsUnavailable("the budget of this mail is used up")
        try:
            async with asyncio.timeout_at(self._end):
                return await self._resolver.lookup(name, rdtype)
        except TimeoutError as error:
            raise DnsUnavailable("the time of this mail is used up") from error
