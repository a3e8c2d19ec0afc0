"""Mails that name many domains whose nameservers never answer, beside a good mail of another sender."""

import asyncio
import socket
import threading
import time
from functools import cache

import pytest

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.dns.cache import CachingResolver
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import MAIL, envelope, signed, zone
from tests.auth.test_over_dns import NOW
from tests.dns.test_silence import SilentZone

HASH = b"A" * 43 + b"="


def attack(number: int, *, silent: str, sets: int) -> bytes:
    """A mail with five signatures and *sets* ARC sets, each by a key below *silent* that no mail named before."""
    head = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d-%d.%s; s=s; h=from; bh=%s; b=AAAA\r\n"
        % (number, place, silent.encode(), HASH)
        for place in range(5)
    )
    for place in range(1, sets + 1):
        head += (
            b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=a%d-%d.%s; s=s; b=AAAA\r\n"
            b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=m%d-%d.%s; s=s; h=from; bh=%s; b=AAAA\r\n"
            b"ARC-Authentication-Results: i=%d; x\r\n"
        ) % (
            *(place, b"pass" if place > 1 else b"none", number, place, silent.encode()),
            *(place, number, place, silent.encode(), HASH, place),
        )
    return head + b"From: x@f%d.%s\r\n\r\nHi.\r\n" % (number, silent.encode())


class ThreadedZone(SilentZone):
    """A nameserver outside the event loop, which would read one datagram in each of its rounds."""

    async def start(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self):
        return self._socket.getsockname()

    def _serve(self):
        while True:
            wire, peer = self._socket.recvfrom(4096)
            if not wire:
                return
            reply = self.answer(wire, datagram=True)
            if reply is not None:
                self._socket.sendto(reply, peer)

    async def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            while self._thread.is_alive():  # a full buffer may drop one
                last.sendto(b"", self.address)
                await asyncio.to_thread(self._thread.join, 0.2)
        self._socket.close()


class World:
    def __init__(self, server):
        self.resolver = CachingResolver([server.address])

    async def judge(self, mail, sent_by):
        body = mail[header_end(mail) :]
        headers = split_headers(mail)
        return await authenticate(
            sent_by, headers, lambda: [body], resolver=self.resolver, keys=KeyCache(), now=NOW, body_size=len(body)
        )

    async def good(self, number):
        """Judge a good mail with questions that no other mail asked, and return the verdict and its seconds."""
        mail = good_mail(number)
        began = time.monotonic()
        return await self.judge(mail, envelope(f"ana@g{number}.example", ip="192.0.2.1")), time.monotonic() - began


@cache
def good_mail(number):
    return signed(MAIL.replace(b"example.com", b"g%d.example" % number), domain=f"g{number}.example")


def good_zone(number):
    return {(name.replace("example.com", f"g{number}.example"), kind): texts for (name, kind), texts in zone().items()}


@pytest.mark.parametrize("connections", [1, 50])
@pytest.mark.parametrize("peers", [1, 50])
@pytest.mark.parametrize("sets", [9, 50])
async def test_a_good_mail_beside_silent_domains_is_verified_without_delay(connections, peers, sets):
    if connections < peers > 1:
        pytest.skip("one connection has one peer")
    server = ThreadedZone(
        {key: text for number in range(40) for key, text in good_zone(number).items()}, silent=["evil.test"]
    )
    await server.start()
    world = World(server)
    sent = iter(range(10**9))

    async def attacker(place):
        await asyncio.sleep(place / 25)  # all at once would be a test of this machine, which also plays the nameserver
        while True:
            mail = attack(next(sent), silent="evil.test", sets=sets)
            await world.judge(mail, envelope(f"x@e{next(sent)}.evil.test", ip=f"198.51.100.{place % peers}"))
            await asyncio.sleep(5)  # ten mails a second of 50 connections, where two a second were enough

    for number in range(25):
        good_mail(number)
    undisturbed = max([(await world.good(number))[1] for number in range(5)])
    attackers = [asyncio.create_task(attacker(place)) for place in range(connections)]
    found = []
    for number in range(5, 25):
        await asyncio.sleep(0.15)
        found.append(await world.good(number))
    for task in attackers:
        task.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    await world.resolver.close()
    await server.stop()

    assert [True] * len(found) == [verdict.verified for verdict, _ in found]
    assert {("pass", "pass", "pass")} == {(v.spf.result, v.dkim[0].result, v.dmarc.result) for v, _ in found}
    # Before shares each waited for the whole budget of 20 s. A datagram that this machine loses costs 2 s.
    seconds = sorted(seconds for _, seconds in found)
    assert seconds[len(seconds) // 2] < 1 + 20 * undisturbed
    assert seconds[-1] < 10
