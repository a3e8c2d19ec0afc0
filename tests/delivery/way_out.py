"""The way out, joined over a real store, a real HTTP client and a sink: claims, attempts and dispatchers of a test's own."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_network

from relay.clock import Clock
from relay.delivery.attempt import DeliveryContext, attempt, read_endpoint, read_subjects
from relay.delivery.dispatch import Dispatcher
from relay.delivery.post import Poster
from relay.dns.resolver import Resolver
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey, Secret, whsec
from store.directory.agents import list_secrets, update_agent_webhook
from store.engine import Store
from store.mail.deliveries import claim_due, list_attempts, list_deliveries_of_message
from store.records.mail import Agent, Attempt, Claim, Delivery, Message
from tests.broken_store import give_back_table, lose_table
from tests.places import Places
from tests.sink import PATIENCE_SECONDS, Sink

HOOK = "hook@agents.example"
OTHER = "other@agents.example"
BASE_URL = "https://relay.example"
LOOPBACK = (ip_network("127.0.0.0/8"),)
LEASE = timedelta(seconds=25)
TIMEOUT_SECONDS = 15.0


class Outcomes:
    """What attempts came to, told once each is recorded."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.seconds: list[float] = []  # from the event to each
        self._changed = asyncio.Event()

    def __call__(self, outcome: str, seconds: float = 0.0) -> None:
        self.told.append(outcome)
        self.seconds.append(seconds)
        self._changed.set()

    async def of(self, count: int) -> list[str]:
        """All outcomes, once they are *count* or more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.told) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.told


@dataclass
class WayOut:
    """Makes agents and mail, delivers, and shows what is recorded."""

    store: Store
    sink: Sink
    clock: Clock
    master: MasterKey
    poster: Poster
    resolver: Resolver | None = None
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def places(self) -> Places:
        return Places(self.clock, self.master, LOOPBACK)

    def delivery_context(self, **changes) -> DeliveryContext:
        made = DeliveryContext(
            store=self.store,
            poster=self.poster,
            clock=self.clock,
            master=self.master,
            base_url=BASE_URL,
            retry_seconds=(60.0, 600.0),
            heavy=asyncio.Semaphore(2),
            count=self.outcomes,
        )
        return replace(made, **changes)

    @asynccontextmanager
    async def dispatching(self, *, at_once: int = 8, grace_seconds: float = 10, **changes):
        """A dispatcher that runs meanwhile."""
        dispatcher = Dispatcher(self.delivery_context(**changes), at_once=at_once, timeout_seconds=TIMEOUT_SECONDS)
        dispatcher.start()
        try:
            yield dispatcher
        finally:
            await dispatcher.stop(grace_seconds)

    async def agent(self, address: str = HOOK, *, url: str | None = None) -> Agent:
        """An agent whose webhook is at the sink, below its own name."""

        def unit(tx):
            user = self.places.user(tx)
            self.places.domain(tx, user, address.rpartition("@")[2])
            return self.places.agent(tx, user, address, webhook=url or self.sink.url(path_of(address)))

        return await self.store.write(unit)

    async def mail(self, address: str = HOOK, **changes) -> Message:
        """One mail for the agent; its commit wakes the dispatcher."""
        return await self.store.write(lambda tx: self.places.message(tx, address, **changes))

    async def mails(self, count: int, address: str = HOOK) -> list[Message]:
        """Several mails for the agent in one transaction."""
        return await self.store.write(lambda tx: [self.places.message(tx, address) for _ in range(count)])

    async def move(self, agent: Agent, url: str) -> None:
        """Give the agent another webhook."""
        now = self.clock.now()
        await self.store.write(lambda tx: update_agent_webhook(tx, agent.user_id, agent.address, url, now=now))

    async def claim(self, address: str = HOOK) -> Claim:
        """The one delivery that is due, taken by a worker."""
        (claimed,) = await self.claims(address)
        return claimed

    async def claims(self, address: str = HOOK) -> list[Claim]:
        now = self.clock.now()
        return await self.store.write(lambda tx: claim_due(tx, address, limit=10, lease=LEASE, now=now))

    async def attempt(self, address: str = HOOK, **changes) -> Delivery:
        """Claim the one delivery that is due, try it once, and answer what is recorded."""
        claimed, by = await self.claim(address), self.delivery_context(**changes)
        letters = await read_subjects([claimed], ctx=by)
        endpoint = await read_endpoint(address, ctx=by)
        await attempt(claimed, letters[claimed.delivery.message_id], endpoint, ctx=by)
        return await self.delivery(claimed.delivery.message_id)

    async def delivery(self, message_id: str) -> Delivery:
        (found,) = await self.store.read(lambda tx: list_deliveries_of_message(tx, message_id))
        return found

    async def statuses(self, messages: list[Message]) -> list[str]:
        return [(await self.delivery(message.id)).status for message in messages]

    async def tried(self, delivery: Delivery) -> list[Attempt]:
        return await self.store.read(lambda tx: list_attempts(tx, delivery.id))

    async def secrets(self, address: str = HOOK) -> list[Secret]:
        """The agent's valid secrets, the current one first."""
        now = self.clock.now()
        kept = await self.store.read(lambda tx: list_secrets(tx, address, now=now))
        return [open_secret(each, master=self.master) for each in kept]

    async def shown_secrets(self, address: str = HOOK) -> list[str]:
        """The same as their owner sees them."""
        return [whsec(secret) for secret in await self.secrets(address)]

    def wake(self, address: str = HOOK) -> None:
        """Have dispatchers look now, instead of at their next sweep."""
        self.store.notifier.notify({f"deliveries:{address}"})

    def hide(self, table: str) -> None:
        """Take a table away for a while: who needs it finds a database that cannot answer."""
        lose_table(self.store, table)

    def show(self, table: str) -> None:
        """Give a hidden table back."""
        give_back_table(self.store, table)


def path_of(address: str) -> str:
    """Where an agent's requests arrive at the sink."""
    return "/" + address.partition("@")[0]
