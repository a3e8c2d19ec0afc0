"""A stream that is cut at any byte, by a client or by a relay that starts again: all comes, in order, and once."""

import asyncio
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from relay.bridge.sse import Parser, SseEvent
from relay.clock import SystemClock
from relay.web.http.limits import ApiLimits
from store.database.connect import open_store
from tests.places import Places
from tests.web.api.stream_client import PATIENCE_SECONDS, events
from tests.web.client import ApiServer

UNLIMITED = ApiLimits(rate_per_key=0, rate_per_user=0)
NUMBERS = count()
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mails"), st.integers(1, 20)),
        st.tuples(st.just("cut"), st.integers(0, 30_000)),
        st.tuples(st.just("mails and cut"), st.integers(0, 30_000)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=6,
)


@dataclass
class Follower:
    """A client that comes back with the last id it had."""

    agent: str
    key: str
    last_id: str = "0"
    had: list[str] = field(default_factory=list)

    async def follow(self, api_server, *, most_bytes, until):
        """Read until so many bytes have come, or so many events are had in all; then hang up."""
        host, port = api_server.server.addresses[0]
        headers = {"Authorization": f"Bearer {self.key}", "Last-Event-ID": self.last_id}
        parser, left = Parser(), most_bytes
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            aiohttp.ClientSession() as session,
            session.get(
                URL(f"http://{host}:{port}{events(agent=self.agent)}", encoded=True), headers=headers
            ) as answer,
        ):
            assert 200 == answer.status, await answer.read()
            while left > 0 and len(self.had) < until():
                part = (await answer.content.readany())[:left]
                left -= len(part)
                self.take(parser.feed(part))

    def take(self, told):
        for each in told:
            self.last_id = each.id
            if isinstance(each, SseEvent):
                self.had.append(each.data.partition('message_id\\":\\"')[2][:33])


class Relay:
    """A relay on one database, which can start again."""

    def __init__(self, url, master):
        self.url, self.clock = url, SystemClock()
        self.places = Places(self.clock, master)
        self.kept = []

    async def start(self):
        self.store = open_store(self.url)
        self.store.start()
        self.api_server = ApiServer(self.store, self.clock, self.places, UNLIMITED)
        await self.api_server.open()

    async def stop(self):
        await self.api_server.close()
        await self.store.stop()

    async def mails(self, agent, number):
        for each in range(number):
            raw = b"Subject: hi\r\n\r\n" + b"x" * (each * 317 % 5000)
            self.kept.append((await self.api_server.message(raw, agent=agent)).id)


async def played(url, master, steps):
    """The ids that were kept, and those that came, after all of *steps*."""
    relay = Relay(url, master)
    await relay.start()
    agent = f"bot{next(NUMBERS)}@agents.example"
    await relay.api_server.agent(agent)
    client = Follower(agent, relay.api_server.key)
    for verb, number in steps:
        if verb == "restart":
            await relay.stop()
            await relay.start()
        if "mails" in verb and "cut" not in verb:
            await relay.mails(agent, number)
        if "cut" in verb:
            mails = relay.mails(agent, number % 20 if "mails" in verb else 0)
            await asyncio.gather(
                mails, client.follow(relay.api_server, most_bytes=number, until=lambda: len(relay.kept))
            )
    await client.follow(relay.api_server, most_bytes=100_000_000, until=lambda: len(relay.kept))
    await relay.stop()
    return relay.kept, client.had


@pytest.mark.timeout(300)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_whatever_cuts_a_stream_all_comes_in_order_and_once(sqlite_file_url, master, steps):
    kept, had = asyncio.run(played(sqlite_file_url, master, steps))

    assert kept == had


@pytest.mark.parametrize("steps", [[("mails", 20), ("cut", 9000), ("restart", 0), ("mails and cut", 9007), ("cut", 1)]])
def test_so_it_is_on_postgresql(postgres_url, master, steps):
    kept, had = asyncio.run(played(postgres_url, master, steps))

    assert kept == had
    assert len(kept) == len(set(had)) > 20
