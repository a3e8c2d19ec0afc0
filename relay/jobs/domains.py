"""Check the DNS records of domains again: claims often, verified domains daily.

Every daemon on a database may run this job: a lease gives each due domain to one daemon, for longer than a check
can last.
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

EVERY: Final = timedelta(minutes=1)  # between two rounds
LEASE: Final = timedelta(minutes=3)  # longer than any check lasts
AT_ONCE: Final = 20  # domains checked in parallel
MOST: Final = 500  # domains in a round
log = structlog.get_logger("relay.jobs")


class DomainWatch:
    """The job that checks the DNS records of due domains."""

    def __init__(
        self, *, store: Store, clock: Clock, resolver: Resolver, master: MasterKey, place: DnsIdentity, most: int = MOST
    ) -> None:
        """*resolver* must not cache. A round checks at most *most* domains."""
        self._store = store
        self._clock = clock
        self._resolver = resolver
        self._master = master
        self._place = place
        self._most = most

    async def look_again(self, stop: asyncio.Event) -> None:
        """Run a round: check every due domain, up to the bound. Raises Unavailable."""
        for _ in range(self._most // AT_ONCE):
            if stop.is_set():
                return
            due = await self._take()
            if not due:
                return
            ends = await asyncio.gather(*[self._look(domain) for domain in due], return_exceptions=True)
            for error in filter(None, ends):  # after all checks of this batch have ended
                raise error

    async def _take(self) -> list[Domain]:
        now = self._clock.now()
        return await self._store.write(lambda tx: take_due_domains(tx, limit=AT_ONCE, lease=LEASE, now=now))

    async def _look(self, domain: Domain) -> None:
        """Check one domain. A claim that was removed meanwhile is skipped."""
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
