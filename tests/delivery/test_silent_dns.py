"""Endpoints whose nameservers never answer, beside a healthy endpoint with a name."""

import asyncio
import time

import pytest

from relay.delivery.post import Poster
from relay.dns.addresses import AddressLookup
from store.errors import InvalidValue, Unavailable
from tests.delivery.way_out import HOOK, LOOPBACK, OTHER
from tests.dns.test_silence import SilentZone

DEAD = 40
MAILS = 10


@pytest.fixture
async def named(way_out, clock, tmp_path):
    """The way out with a poster that looks names up at a nameserver that knows one good name."""
    server = SilentZone({("good.test", "A"): ["127.0.0.1"]}, silent=["dead.test"])
    await server.start()
    lookup = AddressLookup([server.address], hosts=tmp_path / "none", seconds=1)
    original = way_out.poster
    async with Poster(clock=clock, allow=LOOPBACK, total_seconds=15, lookup=lookup) as poster:
        way_out.poster = poster
        yield way_out
    way_out.poster = original
    await lookup.close()
    await server.stop()


async def delivered_after(way_out, sink, before):
    """The seconds from a mail's commit to its arrival at the healthy endpoint."""
    began = time.monotonic()
    await way_out.mail(OTHER)
    await sink.got(before + 1, "/other")
    return time.monotonic() - began


async def test_dead_names_do_not_delay_an_endpoint_with_a_healthy_name(named, sink):
    port = sink.url("/other").split(":")[2].partition("/")[0]
    await named.agent(OTHER, url=f"http://good.test:{port}/other")
    dead = [f"dead{number}@agents.example" for number in range(DEAD)]
    for number, address in enumerate(dead):
        await named.agent(address, url=f"http://h{number}.dead.test:{port}/")
    async with named.dispatching(grace_seconds=0):
        alone = max([await delivered_after(named, sink, number) for number in range(3)])
        for address in dead:
            await named.mails(MAILS, address)
        beside = []
        for number in range(3, 13):
            await asyncio.sleep(0.1)
            beside.append(await delivered_after(named, sink, number))

    # With a thread for each look-up it was 6 to 30 s.
    assert sorted(beside)[len(beside) // 2] < 1 + 5 * alone
    assert max(beside) < 3 + 10 * alone


class Refusing:
    """A store that refuses the first write of an outcome: that of several together, and that of one with its details."""

    def __init__(self, store, error):
        self._store = store
        self._errors = [error, error]

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def write(self, unit):
        if self._errors and unit.__qualname__.startswith(("Settler._write.", "record.")):
            raise self._errors.pop()
        return await self._store.write(unit)


async def test_a_post_whose_outcome_the_store_refuses_is_recorded_without_its_details(way_out, sink):
    await way_out.agent(HOOK)
    mail = await way_out.mail()
    async with way_out.dispatching(store=Refusing(way_out.store, InvalidValue("last_status"))):
        await way_out.outcomes.of(1)

    delivery = await way_out.delivery(mail.id)
    assert ("delivered", 1) == (delivery.status, delivery.attempts)
    assert 1 == len(sink.posted)


async def test_a_post_that_meets_an_absent_store_is_not_recorded(way_out, sink):
    await way_out.agent(HOOK)
    mail = await way_out.mail()
    async with way_out.dispatching(store=Refusing(way_out.store, Unavailable())):
        await sink.got(1)
        await asyncio.sleep(0.1)

    delivery = await way_out.delivery(mail.id)
    assert ("pending", 0) == (delivery.status, delivery.attempts)
