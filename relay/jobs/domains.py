"""Looking at domains' DNS again: claims that wait for their proof often, verified ones daily.

Every daemon on a database may do this at once: a claim is taken by one of them, for longer than a look may last.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from relay.clock import Clock
from relay.directory.check_domain import look_up_records
from relay.directory.dns_records import DnsIdentity
from relay.directory.domains import DomainWithRecords, settle, warn
from relay.dns.resolver import Resolver
from relay.signing.secrets import MasterKey
from store.directory.domain_records import take_due_domains
from store.engine import Store
from store.errors import NotFound
from store.records.mail import Domain

EVERY: Final = timedelta(minutes=1)  # a round
LEASE: Final = timedelta(minutes=3)  # longer than any look may last
AT_ONCE: Final = 20  # domains
MOST: Final = 500  # domains of a round
log = structlog.get_logger("relay.jobs")


class DomainWatch:
    """The rounds that look."""

    def __init__(
        self, *, store: Store, clock: Clock, resolver: Resolver, master: MasterKey, place: DnsIdentity, most: int = MOST
    ) -> None:
        """*resolver* should answer from no memory. *most* domains are looked at in a round."""
        self._store = store
        self._clock = clock
        self._resolver = resolver
        self._master = master
        self._place = place
        self._most = most

    async def look_again(self, stop: asyncio.Event) -> None:
        """A round: every domain that is due, up to a bound. Raises Unavailable."""
        for _ in range(self._most // AT_ONCE):
            if stop.is_set():
                return
            due = await self._take()
            if not due:
                return
            ends = await asyncio.gather(*[self._look(domain) for domain in due], return_exceptions=True)
            for error in filter(None, ends):  # once nobody of them is under way any more
                raise error

    async def _take(self) -> list[Domain]:
        now = self._clock.now()
        return await self._store.write(lambda tx: take_due_domains(tx, limit=AT_ONCE, lease=LEASE, now=now))

    async def _look(self, domain: Domain) -> None:
        """One domain. One that was given up meanwhile is nobody's any more."""
        seen = await look_up_records(domain, resolver=self._resolver, place=self._place)
        now = self._clock.now()
        try:
            listing = await self._store.write(lambda tx: settle(tx, domain, seen, master=self._master, now=now))
        except NotFound:
            return
        self._tell(domain, listing)

    def _tell(self, before: Domain, listing: DomainWithRecords) -> None:
        warn(listing)
        if listing.domain.verified and not before.verified:
            log.info("domain_verified", domain=before.domain, user_id=before.user_id)
