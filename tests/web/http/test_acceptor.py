"""Connections of many clients begin in turn, within bounds."""

import asyncio
import os
import resource
import socket

import pytest

from relay.web.http.acceptor import Acceptor

BUSY, WITNESS = "127.0.0.3", "127.0.0.4"


class Site:
    """An acceptor on a free port, with the clients whose connections have begun."""

    def __init__(self, **given):
        self.begun, self.bounds = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        given = {"most_waiting": 1000, "most_of_peer": lambda _: 1000} | given
        self.acceptor = Acceptor(self.listener, self._protocol, count_bound=self.bounds.append, **given)
        self.clients = []

    def connect(self, source, times=1):
        for _ in range(times):
            client = socket.create_connection(self.listener.getsockname(), source_address=(source, 0))
            client.setblocking(False)
            self.clients.append(client)

    async def until(self, count):
        async with asyncio.timeout(20):
            while len(self.begun) < count:  # noqa: ASYNC110 (the protocol of the server under test has no event)
                await asyncio.sleep(0.001)

    async def close(self):
        await self.acceptor.close()
        self.listener.close()
        for client in self.clients:
            client.close()

    def _protocol(self):
        begun = self.begun

        class Begun(asyncio.Protocol):
            def connection_made(self, transport):
                begun.append(transport.get_extra_info("peername")[0])

        return Begun()


@pytest.fixture
async def open_site():
    sites = []

    def make(**given):
        sites.append(Site(**given))
        return sites[-1]

    yield make
    for site in sites:
        await site.close()


async def test_a_burst_of_one_client_does_not_delay_another(open_site):
    site = open_site()
    site.connect(BUSY, 300)
    site.connect(WITNESS)
    site.acceptor.start(1024)
    await site.until(301)
    # The kernel hands over 64 for each turn of the loop, so the witness is accepted in the fifth.
    assert site.begun.index(WITNESS) < 20


async def test_a_client_may_have_few_connections_waiting(open_site):
    site = open_site(most_of_peer=lambda address: 5 if address[0] == BUSY else 1000)
    site.connect(BUSY, 50)
    site.connect(WITNESS)
    site.acceptor.start(1024)
    await site.until(6)
    assert [BUSY] * 5 + [WITNESS] == sorted(site.begun)
    assert ["http_connections_per_peer"] * 45 == site.bounds
    assert b"" == site.clients[10].recv(1)


async def test_while_too_many_wait_the_kernel_keeps_the_others(open_site):
    site = open_site(most_waiting=10)
    site.connect(BUSY, 100)
    site.acceptor.start(1024)
    await site.until(100)
    assert [] == site.bounds


async def test_without_free_file_descriptors_it_accepts_again_later(open_site):
    site = open_site()
    site.connect(BUSY, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        site.acceptor.start(1024)
        await asyncio.sleep(0.05)
        assert [] == site.begun
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await site.until(3)


async def test_a_closed_acceptor_begins_no_connection(open_site):
    site = open_site()
    site.connect(BUSY, 20)
    site.acceptor.start(1024)
    await site.until(1)
    await site.acceptor.close()
    begun = len(site.begun)
    await asyncio.sleep(0.05)
    assert begun == len(site.begun)
    assert b"" == site.clients[-1].recv(1)
