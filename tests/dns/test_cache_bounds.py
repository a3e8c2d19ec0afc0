"""The cache and the queries in progress stay small, whatever is asked for."""

import asyncio
import contextlib

import pytest

from relay.demo.zone_server import ZoneServer
from relay.dns.budget import BudgetedResolver
from relay.dns.cache import CacheLimits, CachingResolver
from relay.dns.resolver import Asker
from relay.dns.shares import ShareLimits
from relay.errors import DnsUnavailable
from tests.dns.test_cache import Silent, listening
from tests.fakes import FakeResolver


class Wordy(ZoneServer):
    """Publishes a TXT record of *size* characters under every name."""

    def __init__(self, size):
        super().__init__({})
        self._size = size

    def _fill(self, response, name, rdtype):
        self.asked.append((str(name), "TXT"))
        response.answer.append(self._rrset(name, "TXT", ["x" * self._size]))


async def test_the_bytes_of_the_cache_are_bounded():
    server, counted = Wordy(7000), []
    await server.start()
    resolver = CachingResolver([server.address], limits=CacheLimits(bytes=200_000), count=counted.append)
    for number in range(60):
        assert 7000 == (await resolver.lookup(f"k{number}.evil.test", "TXT")).size

    assert 100_000 < resolver.bytes <= 200_000
    assert 20 < len(resolver) < 30
    assert len(resolver) + counted.count("dns_cache") == 60
    await resolver.close()
    await server.stop()


async def test_a_text_over_8_kib_is_returned_and_not_kept():
    server, counted = Wordy(9000), []
    await server.start()
    resolver = CachingResolver([server.address], count=counted.append)
    for _ in range(2):
        assert 9000 == (await resolver.lookup("k.evil.test", "TXT")).size

    assert (0, 0, 2) == (len(resolver), resolver.bytes, counted.count("dns_large_answer"))
    await resolver.close()
    await server.stop()


async def test_an_entry_that_is_replaced_counts_once():
    server = Wordy(1000)
    await server.start()
    resolver = CachingResolver([server.address])
    for _ in range(5):
        await resolver.refresh("k.evil.test", "TXT")

    assert 1000 < resolver.bytes < 2500
    await resolver.close()
    await server.stop()


async def test_a_question_whose_last_waiter_has_gone_is_never_asked():
    silent = Silent()
    transport, address = await listening(silent)
    resolver = CachingResolver([address], seconds=0.2, shares=ShareLimits(total=4, peer=4))
    first = [asyncio.create_task(resolver.lookup(f"a{number}.test", "A", asker=Asker("a"))) for number in range(50)]
    await asyncio.sleep(0.05)
    for task in first:
        task.cancel()
    await asyncio.gather(*first, return_exceptions=True)

    assert (0, 3) == (resolver.waiting, len(resolver._asking))
    async with asyncio.timeout(30):
        while resolver._asking:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.02)
    assert 6 == len(silent.questions)  # three names, two tries
    await resolver.close()
    transport.close()


async def test_a_queued_question_is_asked_as_soon_as_a_caller_with_a_free_share_wants_it():
    silent = Silent()
    transport, address = await listening(silent)
    resolver = CachingResolver([address], seconds=30, shares=ShareLimits(total=8, peer=3))
    first = [asyncio.create_task(resolver.lookup(f"a{number}.test", "A", asker=Asker("a"))) for number in range(6)]
    await asyncio.sleep(0.02)
    assert ("a5.test", "A") not in resolver._asking

    other = asyncio.create_task(resolver.lookup("a5.test", "A", asker=Asker("b")))
    await asyncio.sleep(0.02)

    assert ("a5.test", "A") in resolver._asking
    assert 2 == resolver.waiting  # the first caller of a5.test waits for the answer, not for a slot
    await resolver.close()
    results = await asyncio.gather(*first, other, return_exceptions=True)
    assert all(isinstance(result, DnsUnavailable) for result in results)
    transport.close()


@pytest.mark.parametrize("peers", [1, 50])
async def test_the_queries_in_progress_are_bounded(peers):
    silent = Silent()
    transport, address = await listening(silent)
    resolver = CachingResolver([address], seconds=30)
    asking = [
        asyncio.create_task(resolver.lookup(f"a{number}.test", "A", asker=Asker(str(number % peers), number // 57)))
        for number in range(20_000)
    ]
    await asyncio.sleep(0.1)

    assert len(resolver._asking) <= 256
    assert resolver.waiting <= 4096 + 3 * peers
    await resolver.close()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, DnsUnavailable) for result in results)
    transport.close()


async def test_a_query_that_had_its_second_gives_its_slot_to_a_newcomer():
    silent, counted = Silent(), []
    transport, address = await listening(silent)
    limits = ShareLimits(total=8, peer=8)
    resolver = CachingResolver([address], seconds=60, shares=limits, count=counted.append)
    first = [
        asyncio.create_task(resolver.lookup(f"a{number}.test", "A", asker=Asker(str(number)))) for number in range(8)
    ]
    await asyncio.sleep(0.05)
    assert 8 == len(resolver._asking)

    other = asyncio.create_task(resolver.lookup("b.test", "A", asker=Asker("new")))
    async with asyncio.timeout(30):  # half of what the others wait for their nameserver
        done, _ = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        assert isinstance(done.pop().exception(), DnsUnavailable)
        while ("b.test", "A") not in resolver._asking:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)

    assert 7 == len([key for key in resolver._asking if key[0].startswith("a")])
    assert "dns_slow_query" in counted
    await resolver.close()
    await asyncio.gather(*first, other, return_exceptions=True)
    transport.close()


async def test_replies_that_are_too_long_and_datagrams_that_answer_nothing_are_counted():
    counted = []
    server = Wordy(40_000)
    await server.start()
    resolver = CachingResolver([server.address], count=counted.append)
    with pytest.raises(DnsUnavailable):
        await resolver.lookup("k.evil.test", "TXT")
    await resolver.close()
    await server.stop()
    transport, address = await listening(Silent(*[b"stray"] * 100))
    resolver = CachingResolver([address], count=counted.append)
    with pytest.raises(DnsUnavailable):
        await resolver.lookup("a.evil.test", "A")
    await resolver.close()
    transport.close()

    assert {"dns_reply_bytes", "dns_stray_datagrams"} <= set(counted)


async def test_a_mail_that_asks_too_much_or_too_long_is_counted_once_for_each_bound():
    counted = []
    many = BudgetedResolver(FakeResolver({}), seconds=60, questions=2, count=counted.append)
    for number in range(5):
        with contextlib.suppress(DnsUnavailable):
            await many.lookup(f"n{number}.test", "A")
    late = BudgetedResolver(FakeResolver({}), seconds=0, questions=9, count=counted.append)
    for _ in range(2):
        with pytest.raises(DnsUnavailable):
            await late.lookup("n.test", "A")

    assert ["dns_questions_of_mail", "dns_time_of_mail"] == counted
