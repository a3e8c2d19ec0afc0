import asyncio
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from relay.demo.zone_server import ZoneServer
from relay.dns.cache import CacheLimits, CachingResolver, FreshResolver, system_nameservers
from relay.dns.resolver import DnsAnswer
from relay.dns.wire import Truncated, question, read, reply_to
from relay.errors import DnsUnavailable, Misconfigured
from tests.cost import SECOND, cost_of

ZONE = {
    ("example.com", "A"): ["192.0.2.1"],
    ("example.com", "AAAA"): ["2001:DB8::1"],
    ("example.com", "MX"): ["10 mx.example.com", "5 mx2.example.com"],
    ("example.com", "TXT"): ["v=spf1 -all", "x" * 300, '\xfc\x00"'],
    ("long.example.com", "TXT"): ["y" * 3000],
    ("huge.example.com", "TXT"): ["z" * 40_000],
    ("many.example.com", "A"): [f"192.0.{place // 250}.{place % 250}" for place in range(500)],
    ("alias.example.com", "CNAME"): ["example.com"],
    ("dangling.example.com", "CNAME"): ["absent.example"],
    ("loop.example.com", "CNAME"): ["loop2.example.com"],
    ("loop2.example.com", "CNAME"): ["loop.example.com"],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["Mx.Example.com"],
    ("a:b/c  d@e.example.com", "A"): ["192.0.2.9"],
}


class Monotonic:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Silent(asyncio.DatagramProtocol):
    """Answers with the given bytes, or not at all."""

    def __init__(self, *replies: bytes) -> None:
        self.replies, self.questions = replies, []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.questions.append(data)
        for reply in self.replies:
            self.transport.sendto(data[:2] + reply if reply.startswith(b"\x81") else reply, addr)


@pytest.fixture
async def server():
    server = ZoneServer(ZONE, failing=["failing.example"], ttl=60, negative_ttl=30)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def monotonic():
    return Monotonic()


@pytest.fixture
async def resolver(server, monotonic):
    resolver = CachingResolver([server.address], monotonic=monotonic, seconds=1)
    yield resolver
    await resolver.close()


async def listening(protocol):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: protocol, local_addr=("127.0.0.1", 0)
    )
    return transport, transport.get_extra_info("sockname")[:2]


@pytest.mark.parametrize(
    ("name", "rdtype", "records"),
    [
        ("example.com", "A", ("192.0.2.1",)),
        ("Example.COM.", "A", ("192.0.2.1",)),
        ("example.com", "AAAA", ("2001:db8::1",)),
        ("example.com", "MX", ("10 mx.example.com", "5 mx2.example.com")),
        ("example.com", "TXT", ("v=spf1 -all", "x" * 300, '\xfc\x00"')),
        ("long.example.com", "TXT", ("y" * 3000,)),
        ("alias.example.com", "A", ("192.0.2.1",)),
        ("1.2.0.192.in-addr.arpa", "PTR", ("Mx.Example.com",)),
        ("a:b/c  d@e.example.com", "A", ("192.0.2.9",)),
    ],
)
async def test_records_come_as_text(resolver, name, rdtype, records):
    answer = await resolver.lookup(name, rdtype)

    assert sorted(records) == sorted(answer.records)
    assert (True, 60) == (answer.exists, answer.ttl)


@pytest.mark.parametrize(
    ("name", "exists"),
    [("alias.example.com", True), ("com", True), ("absent.example.com", False), ("dangling.example.com", False)],
)
async def test_a_name_without_records_is_told_from_a_name_that_is_not(resolver, name, exists):
    answer = await resolver.lookup(name, "PTR")

    assert ((), exists, 30) == (answer.records, answer.exists, answer.ttl)


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "a" * 64 + ".example", "a." * 130 + "example", "ü" * 40 + ".example"]
)
async def test_what_cannot_be_a_name_does_not_exist_and_is_not_asked_for(resolver, server, name):
    assert DnsAnswer(records=(), exists=False) == await resolver.lookup(name, "A")
    assert [] == server.asked


@pytest.mark.parametrize("name", ["failing.example", "huge.example.com", "loop.example.com"])
async def test_a_nameserver_that_fails_is_no_answer(resolver, name):
    with pytest.raises(DnsUnavailable):
        await resolver.lookup(name, "TXT")


async def test_only_so_many_records_are_kept(resolver):
    assert 128 == len((await resolver.lookup("many.example.com", "A")).records)


async def test_an_answer_is_kept_for_its_time(resolver, server, monotonic):
    await resolver.lookup("example.com", "A")
    monotonic.now += 59
    await resolver.lookup("EXAMPLE.com.", "A")
    assert 1 == len(server.asked)

    monotonic.now += 2
    await resolver.lookup("example.com", "A")
    assert 2 == len(server.asked)


@pytest.mark.parametrize(
    ("name", "limits", "kept"),
    [
        ("example.com", CacheLimits(longest=10), 10),
        ("example.com", CacheLimits(shortest=100), 100),
        ("absent.example", CacheLimits(longest_negative=7), 7),
        ("absent.example", CacheLimits(), 30),
    ],
)
async def test_the_time_has_bounds(server, monotonic, name, limits, kept):
    resolver = CachingResolver([server.address], monotonic=monotonic, limits=limits)
    await resolver.lookup(name, "A")

    monotonic.now += kept - 1
    await resolver.lookup(name, "A")
    assert 1 == len(server.asked)
    monotonic.now += 2
    await resolver.lookup(name, "A")
    assert 2 == len(server.asked)


async def test_a_failure_is_kept_for_seconds_only(resolver, server, monotonic):
    for _ in range(2):
        with pytest.raises(DnsUnavailable):
            await resolver.lookup("failing.example", "A")
    assert 2 == len(server.asked)  # one lookup of two tries

    monotonic.now += 6
    with pytest.raises(DnsUnavailable):
        await resolver.lookup("failing.example", "A")
    assert 4 == len(server.asked)


async def test_the_answer_least_used_makes_room(server, monotonic):
    resolver = CachingResolver([server.address], monotonic=monotonic, limits=CacheLimits(entries=2))
    for name in ("a.example", "b.example", "a.example", "c.example", "a.example"):
        await resolver.lookup(name, "A")

    assert 2 == len(resolver)
    assert ["a.example", "b.example", "c.example"] == [name for name, _ in server.asked]


async def test_many_who_ask_at_once_share_one_question(resolver, server):
    answers = await asyncio.gather(*(resolver.lookup("example.com", "A") for _ in range(50)))

    assert 1 == len(set(answers))
    assert 1 == len(server.asked)


async def test_one_who_stops_waiting_takes_nothing_from_the_others(resolver, server):
    first = asyncio.create_task(resolver.lookup("example.com", "A"))
    second = asyncio.create_task(resolver.lookup("example.com", "A"))
    await asyncio.sleep(0)
    first.cancel()

    assert ("192.0.2.1",) == (await second).records
    with pytest.raises(asyncio.CancelledError):
        await first
    assert 1 == len(server.asked)


async def test_a_nameserver_that_is_silent_costs_its_time_and_the_next_is_asked(server):
    silent = Silent()
    transport, address = await listening(silent)
    resolver = CachingResolver([address, server.address], seconds=0.05)

    assert ("192.0.2.1",) == (await resolver.lookup("example.com", "A")).records
    assert 1 == len(silent.questions)
    transport.close()


async def test_when_all_are_silent_each_was_asked_twice_with_another_id():
    silent = Silent()
    transport, address = await listening(silent)
    resolver = CachingResolver([address], seconds=0.02)

    with pytest.raises(DnsUnavailable):
        await resolver.lookup("example.com", "A")
    assert 2 == len(silent.questions)
    assert silent.questions[0] != silent.questions[1]
    transport.close()


async def test_a_port_nobody_listens_on_is_no_answer():
    transport, address = await listening(Silent())
    transport.close()
    await asyncio.sleep(0)

    async with asyncio.timeout(30):  # less than one wait for a reply
        with pytest.raises(DnsUnavailable):
            await CachingResolver([address], seconds=60).lookup("example.com", "A")


@pytest.mark.parametrize("reply", [b"", b"garbage", b"\x81\x80" + b"\xff" * 40])
async def test_datagrams_that_are_no_reply_are_passed_over(reply):
    transport, address = await listening(Silent(*[reply] * 3))

    with pytest.raises(DnsUnavailable):
        await CachingResolver([address], seconds=0.03).lookup("example.com", "A")
    transport.close()


async def test_a_flood_of_stray_datagrams_ends_the_wait():
    transport, address = await listening(Silent(*[b"stray"] * 100))

    async with asyncio.timeout(30):  # less than one wait for a reply
        with pytest.raises(DnsUnavailable):
            await CachingResolver([address], seconds=60).lookup("example.com", "A")
    transport.close()


async def test_closing_tells_those_who_wait_that_nobody_answered():
    transport, address = await listening(Silent())
    resolver = CachingResolver([address], seconds=30)
    waiting = asyncio.create_task(resolver.lookup("example.com", "A"))
    await asyncio.sleep(0.01)

    await resolver.close()

    with pytest.raises(DnsUnavailable):
        await waiting
    transport.close()


async def test_an_answer_remembered_costs_microseconds(resolver):
    await resolver.lookup("example.com", "A")

    async def ask():
        for _ in range(1000):
            await resolver.lookup("example.com", "A")

    assert await cost_of(ask) < SECOND / 2


def replied(query, *records, rcode=dns.rcode.NOERROR, flags=0):
    reply = dns.message.make_response(query)
    reply.set_rcode(rcode)
    reply.flags |= flags
    reply.answer.extend(dns.rrset.from_text(*record) for record in records)
    return reply.to_wire()


def test_a_reply_to_another_question_is_none_of_ours():
    query, other = question("example.com", "A"), question("other.example", "A")
    other.id = query.id

    assert reply_to(query, replied(other)) is None
    assert reply_to(query, query.to_wire()) is None
    assert reply_to(query, b"") is None


def test_a_truncated_reply_is_told():
    query = question("example.com", "A")

    with pytest.raises(Truncated):
        reply_to(query, replied(query, flags=dns.flags.TC))


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR])
def test_a_refusal_is_no_answer(rcode):
    query = question("example.com", "A")

    with pytest.raises(DnsUnavailable):
        read(reply_to(query, replied(query, rcode=rcode)), "A")


def test_records_of_another_name_or_type_are_not_the_answer():
    query = question("example.com", "A")
    wire = replied(query, ("evil.example.", 60, "IN", "A", "192.0.2.66"), ("example.com.", 60, "IN", "TXT", "x"))

    assert () == read(reply_to(query, wire), "A").records


def test_an_answer_that_denies_itself_makes_no_sense():
    query = question("example.com", "A")
    wire = replied(query, ("example.com.", 60, "IN", "A", "192.0.2.1"), rcode=dns.rcode.NXDOMAIN)

    with pytest.raises(DnsUnavailable):
        read(reply_to(query, wire), "A")


def test_the_system_has_nameservers_or_says_that_it_has_none():
    try:
        expected = dns.resolver.Resolver(configure=True).nameservers if Path("/etc/resolv.conf").exists() else []
    except dns.resolver.NoResolverConfiguration:
        expected = []
    if not expected:
        with pytest.raises(Misconfigured):
            system_nameservers()
    else:
        assert [str(address) for address in expected] == [address for address, _ in system_nameservers()]
        assert CachingResolver(None) is not None


# Asked anew


async def test_a_fresh_resolver_asks_each_time_and_what_it_learns_is_remembered(resolver, server):
    fresh = FreshResolver(resolver)
    before = await resolver.lookup("new.example.com", "TXT")
    server._zone["new.example.com", "TXT"] = ["here"]

    anew = [(await fresh.lookup(name, "TXT")).records for name in ("new.example.com", "New.Example.COM.")]

    assert ((), [("here",)] * 2) == (before.records, anew)
    assert ("here",) == (await resolver.lookup("new.example.com", "TXT")).records
    assert 3 == len([asked for asked in server.asked if asked[0] == "new.example.com"])


async def test_a_fresh_resolver_that_gets_no_answer_leaves_what_is_remembered(resolver, server):
    known = await resolver.lookup("example.com", "A")
    server._failing.add("example.com")

    with pytest.raises(DnsUnavailable):
        await FreshResolver(resolver).lookup("example.com", "A")

    assert known == await resolver.lookup("example.com", "A")


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64 + ".example"])
async def test_a_fresh_resolver_does_not_ask_for_what_cannot_be_a_name(resolver, server, name):
    assert DnsAnswer(records=(), exists=False) == await FreshResolver(resolver).lookup(name, "TXT")
    assert [] == server.asked
