"""Zones whose nameservers do not answer."""

import asyncio
import time

import pytest

from relay.demo.zone_server import ZoneServer
from relay.dns.cache import CachingResolver
from relay.dns.silence import SECONDS, SilentZones, suffixes
from relay.errors import DnsUnavailable


class SilentZone(ZoneServer):
    """A nameserver that never answers for the names at and below *silent*."""

    def __init__(self, zone, *, silent, **options):
        super().__init__(zone, **options)
        self.silent = tuple(silent)
        self.unanswered = []

    def answer(self, wire, *, datagram):
        # By bytes, as a message costs a millisecond to parse and a silent nameserver costs its asker nothing.
        question = wire.lower()
        if any(zone in question for zone in self._wire):
            self.unanswered.append(wire)
            return None
        return super().answer(wire, datagram=datagram)

    @property
    def _wire(self):
        return [
            b"".join(bytes([len(label)]) + label.encode() for label in zone.split(".")) + b"\0" for zone in self.silent
        ]


@pytest.fixture
async def server():
    server = SilentZone(
        {("good.test", "A"): ["192.0.2.1"], ("www.shop.uk.test", "A"): ["192.0.2.2"]},
        silent=["evil.test", "evil.uk.test"],
    )
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def resolver(server):
    resolver = CachingResolver([server.address], seconds=0.1)
    yield resolver
    await resolver.close()


async def unanswered(resolver, *names):
    """The seconds that it takes to learn that none of *names* is answered."""
    began = time.monotonic()
    found = await asyncio.gather(*(resolver.lookup(name, "TXT") for name in names), return_exceptions=True)
    assert all(isinstance(each, DnsUnavailable) for each in found), found
    return time.monotonic() - began


async def until(done):
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def silenced(resolver, server, zone):
    """Have *resolver* learn that *zone* is silent, while another zone answers."""
    asking = asyncio.create_task(unanswered(resolver, *(f"a{number}.{zone}" for number in range(4))))
    await asyncio.sleep(0.02)
    await resolver.lookup(f"nothing{len(server.asked)}.good.test", "A")
    await asking
    await until(lambda: resolver._silence.is_silent(f"x.{zone}"))


def test_a_suffix_has_two_labels_at_least_and_is_not_the_name_itself():
    assert ["evil.test", "b.evil.test"] == list(suffixes("a.b.evil.test"))
    assert [] == list(suffixes("evil.test"))
    assert 5 == len(list(suffixes("x." * 40 + "evil.test")))


async def test_other_names_below_a_silent_zone_fail_at_once(resolver, server):
    await silenced(resolver, server, "evil.test")
    asked = len(server.unanswered)

    await unanswered(resolver, *(f"c{number}.evil.test" for number in range(100)))

    assert asked == len(server.unanswered)


async def test_a_silent_domain_below_a_shared_suffix_silences_no_other_domain_there(resolver, server):
    await silenced(resolver, server, "evil.uk.test")

    assert ("192.0.2.2",) == (await resolver.lookup("www.shop.uk.test", "A")).records
    assert resolver._silence.is_silent("x.evil.uk.test")
    assert not resolver._silence.is_silent("x.uk.test")


async def test_when_no_zone_answers_the_nameserver_is_down_and_no_zone_is_silent(server):
    server.silent = ("test",)
    resolver = CachingResolver([server.address], seconds=0.05)
    await unanswered(resolver, *(f"a{number}.evil.test" for number in range(10)))
    await unanswered(resolver, "b.evil.test")

    assert not resolver._silence.is_silent("x.evil.test")
    await resolver.close()


def test_a_silent_zone_is_asked_again_after_a_time():
    now = 0.0
    zones = SilentZones(lambda: now)
    for name in ("a.evil.test", "b.evil.test", "c.evil.test"):
        assert zones.suspect(name) is None
        zones.add(name)
    assert "evil.test" == zones.suspect("d.evil.test")
    zones.settle("evil.test", silent=True)
    assert zones.is_silent("d.evil.test")

    now = SECONDS + 1

    assert not zones.is_silent("d.evil.test")


def test_what_is_remembered_is_bounded():
    zones = SilentZones(lambda: 0.0)
    for number in range(20_000):
        zones.add(f"a.b.zone{number}.test")
        zones.settle(f"zone{number}.test", silent=True)

    assert max(len(zones._names), len(zones._silent)) <= 4096
