"""Connections have shares: no peer takes those of the others, and the silent ones are dropped first."""

import asyncio
import resource
from contextlib import AsyncExitStack

import pytest

from relay.web.http.limits import ApiLimits
from relay.web.http.pool import ConnectionPhase, ConnectionPool
from tests.web.client import BOT, ApiServer
from tests.web.http.wire import head, line

EVENTS = f"/v1/agents/{BOT}/events"
HALF = b"GET / HTTP/1.1\r\nX: "
CROWD = 2100
FILES = 4 * CROWD


class Recorded:
    """A connection that notes that it was dropped."""

    def __init__(self):
        self.dropped = False

    def drop(self):
        self.dropped = True


class Pool(ConnectionPool):
    """A pool of 20 connections, 4 for a peer and 2 in reserve; it notes the bounds that are reached."""

    def __init__(self, **limits):
        self.reached = []
        super().__init__(
            ApiLimits(**{"max_connections": 20, "max_connections_per_peer": 4} | limits), self.reached.append
        )

    def filled(self, peer, phase, count=1, *, is_proxy=False):
        made = [Recorded() for _ in range(count)]
        for each in made:
            assert self.admit(each, peer, is_proxy=is_proxy)
            self.enter(each, phase)
        return made


def test_a_peer_at_its_bound_loses_its_oldest_connection_without_a_head():
    pool = Pool()
    busy, idle, *silent = [
        pool.filled("a", phase)[0]
        for phase in (ConnectionPhase.ANSWER, ConnectionPhase.IDLE, ConnectionPhase.HEAD, ConnectionPhase.HEAD)
    ]

    assert pool.admit(Recorded(), "a", is_proxy=False)

    assert [False, False, True, False] == [each.dropped for each in (busy, idle, *silent)]
    assert (4, ["http_connections_per_peer"]) == (len(pool), pool.reached)


def test_a_peer_at_its_bound_loses_an_idle_connection_next_and_then_one_whose_body_arrives():
    pool = Pool()
    busy, late, idle, _ = [
        pool.filled("a", each)[0]
        for each in (ConnectionPhase.ANSWER, ConnectionPhase.BODY, ConnectionPhase.IDLE, ConnectionPhase.ANSWER)
    ]

    (third,) = pool.filled("a", ConnectionPhase.ANSWER)
    assert (True, False) == (idle.dropped, late.dropped)
    pool.filled("a", ConnectionPhase.ANSWER)
    assert (True, False, False) == (late.dropped, busy.dropped, third.dropped)
    assert not pool.admit(Recorded(), "a", is_proxy=False)


def test_a_trusted_proxy_may_hold_all_connections():
    pool = Pool()

    pool.filled("proxy", ConnectionPhase.ANSWER, 20, is_proxy=True)

    assert not pool.admit(Recorded(), "proxy", is_proxy=True)


def test_the_last_connections_are_for_peers_that_hold_none():
    pool = Pool()
    for peer in "abcdef":
        pool.filled(peer, ConnectionPhase.ANSWER, 3)

    assert not pool.admit(Recorded(), "a", is_proxy=False)
    pool.filled("g", ConnectionPhase.ANSWER)
    pool.filled("h", ConnectionPhase.ANSWER)
    assert not pool.admit(Recorded(), "i", is_proxy=False)
    assert ["http_connections"] * 2 == pool.reached


def test_a_full_pool_drops_the_oldest_connection_without_a_head_of_any_peer():
    pool = Pool(max_connections_per_peer=100)
    silent = pool.filled("a", ConnectionPhase.HEAD, 18)
    pool.filled("b", ConnectionPhase.ANSWER)
    pool.filled("c", ConnectionPhase.ANSWER)

    assert pool.admit(Recorded(), "d", is_proxy=False)

    assert [True] + [False] * 17 == [each.dropped for each in silent]


def test_a_full_pool_keeps_bodies_of_other_peers():
    pool = Pool(max_connections_per_peer=100, max_connections=9)
    pool.filled("a", ConnectionPhase.BODY, 9)

    assert not pool.admit(Recorded(), "b", is_proxy=False)


def test_a_connection_that_left_has_no_share_and_leaves_only_once():
    pool = Pool()
    (first, *_) = pool.filled("a", ConnectionPhase.ANSWER, 4)

    pool.leave(first)
    pool.leave(first)
    pool.enter(first, ConnectionPhase.IDLE)

    assert 3 == len(pool)
    assert pool.admit(Recorded(), "a", is_proxy=False)


# Hostile clients


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip("this process may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def api_server(sqlite_store, clock, places):
    opened = ApiServer(sqlite_store, clock, places, ApiLimits(rate_per_key=0, rate_per_user=0))
    await opened.open()
    await opened.agent()
    yield opened
    await opened.close()


async def served(api_server, *, peer):
    """Whether a client at *peer* that does nothing wrong gets each of these, on a connection of its own."""
    for path, status in (("/healthz", 200), ("/login", 200), ("/v1/me", 200)):
        async with line(api_server, peer=peer) as client:
            await client.say(head(api_server, path))
            if status != (await client.reply()).status:
                return False
    return True


async def hold(stack, api_server, said, *, peer):
    client = await stack.enter_async_context(line(api_server, peer=peer))
    await client.say(said)
    return client


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.9"], ids=["the same peer", "another peer"])
async def test_two_thousand_half_heads_keep_no_client_out(api_server, many_files, peer):
    async with AsyncExitStack() as stack:
        for _ in range(CROWD):
            await hold(stack, api_server, HALF, peer="127.0.0.1")

        assert await served(api_server, peer=peer)
        assert 101 >= api_server.server.connections
    assert b'bound="http_connections_per_peer"' in api_server.metrics.render()


async def test_half_heads_from_many_peers_keep_no_client_out(api_server, many_files):
    async with AsyncExitStack() as stack:
        for number in range(CROWD):
            await hold(stack, api_server, HALF, peer=f"127.0.1.{1 + number % 30}")

        assert await served(api_server, peer="127.0.0.9")
        assert await served(api_server, peer="127.0.1.1")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.9"], ids=["the same peer", "another peer"])
async def test_two_thousand_streams_of_four_keys_keep_no_client_out(api_server, many_files, peer):
    keys = [await api_server.new_key(agent=BOT, scopes=("read",)) for _ in range(4)]
    statuses = []
    async with AsyncExitStack() as stack:
        for number in range(CROWD):
            client = await hold(stack, api_server, head(api_server, EVENTS, key=keys[number % 4]), peer="127.0.0.1")
            statuses.append((await client.reply()).status)

        assert await served(api_server, peer=peer)

    assert (80, CROWD - 80) == (statuses.count(200), statuses.count(429))


async def test_slow_bodies_of_a_peer_keep_not_even_itself_out(api_server, many_files):
    slow = head(api_server, "/login", "Content-Length: 1000", method="POST", key=None) + b"x"
    async with AsyncExitStack() as stack:
        for _ in range(150):
            await hold(stack, api_server, slow, peer="127.0.0.1")

        assert await served(api_server, peer="127.0.0.1")


async def test_a_connection_under_way_outlives_a_flood(api_server, many_files):
    async with AsyncExitStack() as stack:
        streaming = await hold(stack, api_server, head(api_server, EVENTS), peer="127.0.0.1")
        assert 200 == (await streaming.reply()).status
        for _ in range(300):
            await hold(stack, api_server, HALF, peer="127.0.0.1")

        event = asyncio.create_task(streaming.ends())
        await asyncio.sleep(0.1)

        assert not event.done()
        event.cancel()
