"""A PostgreSQL whose network drops everything, and one that fails over: met within 20 s, and nothing is lost."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from tests.faults.load import Load
from tests.faults.proxy import Network
from tests.journeys.home import BOT, Home
from tests.journeys.sender import answered, letter, sent
from tests.postgres_server import private_database, standby_of

WITHIN_SECONDS = 20
ROOM_SECONDS = 5  # on a machine that does other things too


@pytest.fixture
def server():
    with private_database() as own:
        yield own


@asynccontextmanager
async def relay(server, tmp_path, nameserver):
    """A daemon whose way to *server* leads through a network, and that network."""
    async with Network(server.url) as network:
        operator = Home(tmp_path / "data", server.url, nameserver)
        operator.agent()
        operator.close()
        home = Home(tmp_path / "data", network.behind(server.url), nameserver, key=operator.key)
        process = await asyncio.to_thread(home.process().start)
        try:
            yield home, process, network
        finally:
            home.close()
            await asyncio.to_thread(process.kill)


async def until_accepted(smtp, number):
    """The seconds until a mail is answered 250; each reply before it asks the sender to come again."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        status = await answered(smtp, letter(number), BOT)
        assert time.monotonic() - asked < WITHIN_SECONDS + ROOM_SECONDS
        if status == (250, "2.0.0"):
            return time.monotonic() - began
        assert status == (451, "4.3.0")


@pytest.mark.timeout(180)
async def test_while_packets_to_postgresql_are_dropped_senders_hear_451_and_the_daemon_finds_it_again(
    server, tmp_path, nameserver
):
    async with relay(server, tmp_path, nameserver) as (_, process, network):
        await sent(process.smtp, letter(1), BOT)
        network.drop()
        began = time.monotonic()
        dropped = await asyncio.gather(*(answered(process.smtp, letter(number), BOT) for number in (2, 3, 4)))
        assert time.monotonic() - began < WITHIN_SECONDS + ROOM_SECONDS
        assert {(451, "4.3.0")} == set(dropped)

        network.restore(old_connections=False)
        assert await until_accepted(process.smtp, 5) < WITHIN_SECONDS + ROOM_SECONDS


@pytest.mark.timeout(180)
async def test_commits_of_others_are_heard_again_after_the_listening_connection_was_dropped_in_silence(
    server, tmp_path, nameserver
):
    async with relay(server, tmp_path, nameserver) as (home, process, network):
        network.drop()
        network.restore(old_connections=False)
        await asyncio.sleep(WITHIN_SECONDS)  # without traffic, nothing but the listener can notice
        far = await asyncio.to_thread(home.process().start)  # another daemon on the same database
        try:
            async with home.poller(process.http) as agent:
                await agent.get("/readyz")
                waiting = asyncio.ensure_future(agent.lease(wait=10))
                await asyncio.sleep(1)
                (message_id,) = await sent(far.smtp, letter(1), BOT)
                began = time.monotonic()
                (item,) = await waiting
                assert message_id == item["message"]["message_id"]
                assert time.monotonic() - began < 4
        finally:
            await asyncio.to_thread(far.kill)


@pytest.mark.timeout(240)
async def test_after_a_failover_the_standby_has_all_that_was_answered_250(server, tmp_path, nameserver):
    async with relay(server, tmp_path, nameserver) as (home, process, network):
        with standby_of(server) as standby:
            load = Load([BOT])
            load.start(process.smtp, 3)
            await until(lambda: len(load.accepted) > 20)
            await asyncio.to_thread(server.kill)
            began, before = time.monotonic(), load.put_off
            network.url = await asyncio.to_thread(standby.promote)
            network.reset()
            accepted = len(load.accepted)
            await until(lambda: len(load.accepted) > accepted + 20)
            assert time.monotonic() - began < WITHIN_SECONDS + ROOM_SECONDS
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(load.join)
            await asyncio.to_thread(process.start)
            async with home.poller(process.http) as agent:
                leased = await drain(agent)
            await asyncio.to_thread(process.kill)

    assert [] == load.refused
    assert load.put_off >= before
    assert set() == {message_id for (message_id,) in load.accepted} - set(leased)


async def until(condition):
    """Return once *condition* holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (threads change it)
            await asyncio.sleep(0.1)


async def drain(agent):
    """Everything in the queue."""
    found = []
    while items := await agent.lease(most=50):
        found += [item["message"]["message_id"] for item in items]
    return found
