"""Looking at DNS: by a table, and by real packets."""

import pytest

from relay.demo.zone_server import ZoneServer
from relay.directory.check_domain import look_up_records
from relay.directory.dns_records import DnsIdentity
from relay.directory.domains import claim, settle
from relay.dns.cache import CachingResolver, FreshResolver
from tests.fakes import FakeResolver
from tests.one_database import on_sqlite

NAME = "agents.example"
PROOF = f"_mailseal.{NAME}"
HERE = DnsIdentity(hostname="mx.here.example")
pytestmark = on_sqlite


@pytest.fixture
def domain(store, places, clock):
    return store.run(lambda tx: claim(tx, places.user(tx).id, NAME, now=clock.now()))


def rightness(seen):
    return {each.purpose: each.is_right for each in seen}


def published(domain):
    return {
        (PROOF, "TXT"): [f"mailseal-verify={domain.token}"],
        (NAME, "MX"): ["10 mx.here.example"],
        (NAME, "TXT"): ["v=spf1 mx ~all"],
        (f"s1._domainkey.{NAME}", "TXT"): ["v=DKIM1; p=abcd"],
        (f"_dmarc.{NAME}", "TXT"): ["v=DMARC1; p=none"],
    }


async def test_each_record_is_looked_for_where_it_should_be(domain):
    resolver = FakeResolver(published(domain))

    seen = await look_up_records(domain, resolver=resolver, place=HERE, sending=True)

    assert dict.fromkeys(("ownership", "receiving", "spf", "dkim", "dmarc"), True) == rightness(seen)
    assert {(PROOF, "TXT"), (NAME, "MX"), (NAME, "TXT"), (f"_domainkey.{NAME}", "TXT"), (f"_dmarc.{NAME}", "TXT")} == (
        set(resolver.asked)
    )


async def test_nobody_is_asked_for_records_that_do_not_matter(domain):
    resolver = FakeResolver({})

    assert {"ownership": False, "receiving": False} == rightness(
        await look_up_records(domain, resolver=resolver, place=HERE)
    )
    assert 2 == len(resolver.asked)


@pytest.mark.parametrize(("down", "purpose"), [(PROOF, "ownership"), (NAME, "receiving"), (f"_dmarc.{NAME}", "dmarc")])
async def test_a_name_that_nobody_answers_for_leaves_the_others(domain, down, purpose):
    resolver = FakeResolver(published(domain), down=[down])

    seen = rightness(await look_up_records(domain, resolver=resolver, place=HERE, sending=True))

    assert seen.pop(purpose) is None
    assert None not in {each for name, each in seen.items() if name != "spf"}


async def test_real_packets_tell_the_same_and_what_was_published_a_moment_ago(store, domain, clock, master):
    server = ZoneServer({}, ttl=3600, negative_ttl=3600)
    await server.start()
    cached = CachingResolver([server.address], seconds=1)
    resolver = FreshResolver(cached)
    assert not any(rightness(await look_up_records(domain, resolver=resolver, place=HERE, sending=True)).values())

    server._zone.update({(name, kind): list(records) for (name, kind), records in published(domain).items()})
    seen = await look_up_records(domain, resolver=resolver, place=HERE, sending=True)

    assert dict.fromkeys(("ownership", "receiving", "spf", "dkim", "dmarc"), True) == rightness(seen)
    listing = store.run(lambda tx: settle(tx, domain, seen, master=master, now=clock.now()))
    assert (True, {"verified"}) == (listing.domain.verified, {state.status for state in listing.states})
    assert ("10 mx.here.example",) == next(state.found for state in listing.states if state.purpose == "receiving")
    await cached.close()
    await server.stop()


async def test_a_nameserver_that_fails_is_told_from_one_that_says_no(domain):
    server = ZoneServer(published(domain), failing=[PROOF])
    await server.start()
    cached = CachingResolver([server.address], seconds=1)

    seen = rightness(await look_up_records(domain, resolver=FreshResolver(cached), place=HERE))

    assert {"ownership": None, "receiving": True} == seen
    await cached.close()
    await server.stop()
