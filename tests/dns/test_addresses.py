"""Addresses of webhook hosts: the hosts file, then DNS, without threads."""

import asyncio
import time

import pytest

from relay.dns.addresses import AddressLookup
from tests.dns.test_silence import SilentZone

ZONE = {
    ("both.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("both.test", "AAAA"): ["2001:db8::1"],
    ("four.test", "A"): ["192.0.2.4"],
    ("text.test", "TXT"): ["x"],
    ("alias.test", "CNAME"): ["four.test"],
}


@pytest.fixture
async def server():
    server = SilentZone(ZONE, silent=["evil.test"], failing=["failing.test"])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def lookup(server, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("# comment\n192.0.2.9 App.test app # here\nfe80::1%lo0 scoped\nno-address x\n::1 app.test\n\n")
    lookup = AddressLookup([server.address], hosts=hosts, seconds=0.1)
    yield lookup
    await lookup.close()


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("both.test", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ("both.test.", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ("four.test", ["192.0.2.4"]),
        ("alias.test", ["192.0.2.4"]),
        ("app.test", ["192.0.2.9", "::1"]),
        ("app", ["192.0.2.9"]),
        ("scoped", ["fe80::1%lo0"]),  # which a webhook may never reach
        ("localhost", ["127.0.0.1", "::1"]),
        ("x.localhost", ["127.0.0.1", "::1"]),
    ],
)
async def test_a_name_has_the_addresses_of_the_hosts_file_or_of_dns(lookup, host, addresses):
    assert addresses == sorted(await lookup(host))


@pytest.mark.parametrize("host", ["nowhere.test", "text.test", "x"])
async def test_a_name_without_an_address_has_none(lookup, host):
    assert [] == list(await lookup(host))


@pytest.mark.parametrize("host", ["failing.test", "a.evil.test"])
async def test_a_name_that_dns_does_not_answer_for_is_an_error(lookup, host):
    with pytest.raises(OSError, match="no nameserver answered"):
        await lookup(host)


async def test_the_hosts_file_is_read_again_when_it_changes(lookup, tmp_path):
    await lookup("app.test")
    (tmp_path / "hosts").write_text("192.0.2.77 app.test added.test\n")

    assert (["192.0.2.77"], ["192.0.2.77"]) == (await lookup("app.test"), await lookup("added.test"))


async def test_without_a_hosts_file_dns_is_asked(server, tmp_path):
    lookup = AddressLookup([server.address], hosts=tmp_path / "none")

    assert ["192.0.2.4"] == list(await lookup("four.test"))
    await lookup.close()


async def test_a_name_is_asked_for_once_however_many_want_it_and_a_failure_is_remembered(lookup, server):
    found = await asyncio.gather(*(lookup("a.evil.test") for _ in range(100)), return_exceptions=True)
    found += await asyncio.gather(*(lookup("a.evil.test") for _ in range(100)), return_exceptions=True)

    assert {OSError} == {type(each) for each in found}
    assert 4 == len(server.unanswered)  # two types, two tries


async def test_a_look_up_ends_with_its_caller(lookup):
    tasks = [asyncio.create_task(lookup(f"n{number}.evil.test")) for number in range(100)]
    await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert 0 == lookup._resolver.waiting


async def test_the_address_of_one_family_does_not_wait_for_a_silent_other(server):
    class HalfSilent(SilentZone):
        def answer(self, wire, *, datagram):
            reply = super().answer(wire, datagram=datagram)
            return None if self.asked and self.asked[-1][1] == "AAAA" else reply

    half = HalfSilent(ZONE, silent=[])
    await half.start()
    lookup = AddressLookup([half.address], seconds=20)
    began = time.monotonic()

    assert ["192.0.2.4"] == list(await lookup("four.test"))
    assert time.monotonic() - began < 20
    await lookup.close()
    await half.stop()
