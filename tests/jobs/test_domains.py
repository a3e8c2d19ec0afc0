"""Looking at domains again: who is looked at when, and what comes of it; over both databases."""

import asyncio

import pytest
from structlog.testing import capture_logs

from relay.directory.dns_check import PENDING_OFTEN, PENDING_SELDOM, UNANSWERED, VERIFIED
from relay.directory.dns_records import DnsIdentity
from relay.directory.domains import accept, claim, look_up
from relay.jobs.domains import AT_ONCE, LEASE, DomainWatch
from relay.outbound.couriers.registry import COURIERS
from store.database.connect import open_store
from store.directory.agents import get_agent_by_email
from store.directory.domain_records import take_due_domains
from store.directory.domains import delete_domain
from store.errors import Unavailable
from tests.fakes import FakeResolver
from tests.one_database import on_sqlite

NAME = "agents.example"
PROOF = f"_mailseal.{NAME}"
HERE = DnsIdentity(hostname="mx.here.example")


class Watched:
    """A relay's watch over domains, and a DNS of the test's own."""

    def __init__(self, store, clock, master, places):
        self.store, self.clock, self.master, self.places = store, clock, master, places
        self.dns = FakeResolver({})
        self.stop = asyncio.Event()

    def watch(self, store=None, place=HERE, **more):
        return DomainWatch(
            store=store or self.store, clock=self.clock, resolver=self.dns, master=self.master, place=place, **more
        )

    async def round(self, **more):
        """A round; which names' proofs were asked for in it."""
        self.dns.asked.clear()
        await self.watch(**more).look_again(self.stop)
        return sorted(name.removeprefix("_mailseal.") for name, kind in self.dns.asked if kind == "TXT")

    async def claim(self, name=NAME, email="ana@owner.example"):
        def unit(tx):
            return claim(tx, self.places.user(tx, email).id, name, now=self.clock.now())

        return await self.store.write(unit)

    def publish(self, *domains):
        for domain in domains:
            self.dns.zone[f"_mailseal.{domain.domain}", "TXT"] = (f"mailseal-verify={domain.token}",)
            self.dns.zone[domain.domain, "MX"] = ("10 mx.here.example",)

    async def listing(self, domain):
        return await self.store.read(lambda tx: look_up(tx, domain.user_id, domain.domain))

    async def statuses(self, domain):
        return {state.purpose: state.status for state in (await self.listing(domain)).states}


@pytest.fixture
def relay(live_store, clock, master, places):
    return Watched(live_store, clock, master, places)


async def test_a_claim_whose_proof_is_seen_becomes_verified_by_itself(relay):
    domain = await relay.claim()
    relay.publish(domain)
    relay.clock.advance(minutes=5)

    with capture_logs() as told:
        await relay.round()

    listing = await relay.listing(domain)
    assert (True, relay.clock.now(), relay.clock.now() + VERIFIED) == (
        listing.domain.verified,
        listing.domain.verified_at,
        listing.domain.next_check_at,
    )
    assert {"ownership": "verified", "receiving": "verified"} == await relay.statuses(domain)
    assert ["domain_verified"] == [each["event"] for each in told]
    assert domain.user_id == ((await relay.store.read(lambda tx: get_agent_by_email(tx, f"postmaster@{NAME}"))).user_id)


async def test_nobody_is_asked_before_it_is_time(relay):
    await relay.claim()
    relay.clock.advance(minutes=4, seconds=59)

    assert [] == await relay.round()


async def test_a_claim_is_looked_at_often_for_a_day_then_hourly_for_a_week_then_no_more(relay):
    domain = await relay.claim()
    ages = {"minutes": 5}, {"hours": 23, "minutes": 54}, {"minutes": 5}, {"days": 5, "hours": 23}, {"hours": 2}

    waits = []
    for each in ages:
        relay.clock.advance(**each)
        assert [NAME] == await relay.round()
        due = (await relay.listing(domain)).domain.next_check_at
        waits.append(due and due - relay.clock.now())

    assert [PENDING_OFTEN, PENDING_OFTEN, PENDING_SELDOM, PENDING_SELDOM, None] == waits
    relay.clock.advance(days=400)
    assert [] == await relay.round()


async def test_a_verified_domain_is_looked_at_daily_and_never_taken_away(relay):
    domain = await relay.claim()
    relay.publish(domain)
    relay.clock.advance(minutes=5)
    await relay.round()
    verified_at = relay.clock.now()

    relay.dns.zone.clear()
    relay.clock.advance(hours=23, minutes=59)
    assert [] == await relay.round()
    relay.clock.advance(minutes=1)
    with capture_logs() as told:
        assert [NAME] == await relay.round()

    listing = await relay.listing(domain)
    assert (True, verified_at) == (listing.domain.verified, listing.domain.verified_at)
    assert {"ownership": "missing", "receiving": "missing"} == await relay.statuses(domain)
    assert {relay.clock.now()} == {state.missing_since for state in listing.states}
    assert [("warning", "dns_record_missing", "ownership"), ("warning", "dns_record_missing", "receiving")] == sorted(
        (each["log_level"], each["event"], each["purpose"]) for each in told
    )
    relay.clock.advance(days=1)
    with capture_logs() as told:
        await relay.round()
    assert [] == told


async def test_an_outage_takes_nothing_away_and_is_looked_at_again_soon(relay):
    domain = await relay.claim()
    relay.publish(domain)
    relay.clock.advance(minutes=5)
    await relay.round()
    relay.clock.advance(days=1)
    relay.dns.down = {PROOF, NAME}

    with capture_logs() as told:
        await relay.round()

    listing = await relay.listing(domain)
    assert (True, relay.clock.now() + UNANSWERED) == (listing.domain.verified, listing.domain.next_check_at)
    assert ({"ownership": "unknown", "receiving": "unknown"}, []) == (await relay.statuses(domain), told)


async def test_a_proof_that_comes_after_anothers_gives_nothing(relay):
    mine, theirs = await relay.claim(), await relay.claim(email="bo@owner.example")
    await relay.store.write(lambda tx: accept(tx, theirs.user_id, NAME, master=relay.master, now=relay.clock.now()))
    relay.publish(mine)
    relay.clock.advance(minutes=5)

    await relay.round()

    assert [False, True] == [(await relay.listing(each)).domain.verified for each in (mine, theirs)]
    assert "verified" == (await relay.statuses(mine))["ownership"]


async def test_of_two_claimants_whose_proofs_are_both_seen_one_becomes_the_owner(relay):
    claims = [await relay.claim(email=email) for email in ("ana@owner.example", "bo@owner.example")]
    relay.dns.zone[PROOF, "TXT"] = tuple(f"mailseal-verify={each.token}" for each in claims)
    relay.clock.advance(minutes=5)

    await relay.round()

    assert [False, True] == sorted([(await relay.listing(each)).domain.verified for each in claims])


async def test_a_domain_that_is_given_up_while_it_is_looked_at_stays_given_up(relay):
    domain = await relay.claim()
    other = await relay.claim("other.example")
    relay.clock.advance(minutes=5)
    lookup = relay.dns.lookup

    async def give_up(name, rdtype):
        if (name, rdtype) == (PROOF, "TXT"):
            await relay.store.write(lambda tx: delete_domain(tx, domain.user_id, NAME))
        return await lookup(name, rdtype)

    relay.dns.lookup = give_up
    await relay.round()

    assert 2 == len(await relay.statuses(other))


async def test_what_the_owner_had_looked_at_meanwhile_stays(relay):
    domain = await relay.claim()
    relay.clock.advance(minutes=5)
    lookup = relay.dns.lookup

    async def accept_meanwhile(name, rdtype):
        if (name, rdtype) == (PROOF, "TXT"):
            now = relay.clock.now()
            await relay.store.write(lambda tx: accept(tx, domain.user_id, NAME, master=relay.master, now=now))
        return await lookup(name, rdtype)

    relay.dns.lookup = accept_meanwhile
    await relay.round()

    listing = await relay.listing(domain)
    assert (True, [], relay.clock.now() + PENDING_OFTEN) == (
        listing.domain.verified,
        list(listing.states),
        listing.domain.next_check_at,
    )


async def test_two_daemons_look_at_each_domain_once(relay, database_url):
    names = sorted(f"{number:02}.example" for number in range(AT_ONCE + 5))
    for name in names:
        await relay.claim(name)
    relay.clock.advance(minutes=5)
    second = open_store(database_url)
    second.start()

    await asyncio.gather(relay.watch().look_again(relay.stop), relay.watch(second).look_again(relay.stop))

    await second.stop()
    assert names == sorted(name.removeprefix("_mailseal.") for name, kind in relay.dns.asked if kind == "TXT")


async def test_what_a_dead_daemon_had_taken_is_looked_at_by_the_next(relay):
    await relay.claim()
    relay.clock.advance(minutes=5)
    now = relay.clock.now()
    await relay.store.write(lambda tx: take_due_domains(tx, limit=1, lease=LEASE, now=now))

    assert [] == await relay.round()
    relay.clock.advance(seconds=LEASE.total_seconds())
    assert [NAME] == await relay.round()


@on_sqlite
async def test_a_round_has_a_bound_and_the_next_goes_on(relay):
    for number in range(2 * AT_ONCE + 1):
        await relay.claim(f"{number}.example")
    relay.clock.advance(minutes=5)

    assert [2 * AT_ONCE, 1, 0] == [len(await relay.round(most=2 * AT_ONCE)) for _ in range(3)]


@on_sqlite
async def test_a_daemon_that_stops_takes_no_more(relay):
    await relay.claim()
    relay.clock.advance(minutes=5)
    relay.stop.set()

    assert [] == await relay.round()


@on_sqlite
@pytest.mark.parametrize(("outbound", "count"), [("none", 2), ("ses", 5)])
async def test_records_for_sending_are_looked_at_where_mail_is_sent(relay, outbound, count):
    domain = await relay.claim()
    relay.clock.advance(minutes=5)

    await relay.watch(place=DnsIdentity(hostname="mx.here.example", sending=COURIERS[outbound].records)).look_again(
        relay.stop
    )

    assert count == len(await relay.statuses(domain))


@on_sqlite
async def test_a_database_that_is_away_ends_the_round_and_nothing_else(relay):
    domain = await relay.claim()
    relay.clock.advance(minutes=5)
    taken = relay.store.write

    async def write(unit):
        relay.store.write = broken
        return await taken(unit)

    async def broken(_unit):
        raise Unavailable

    relay.store.write = write
    with pytest.raises(Unavailable):
        await relay.round()

    relay.store.write = taken
    assert {} == await relay.statuses(domain)
    relay.clock.advance(seconds=LEASE.total_seconds())
    assert [NAME] == await relay.round()
