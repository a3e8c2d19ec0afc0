"""Clients that are slow, endless or speak no HTTP: each is answered where it can be, and none stays."""

import asyncio
import socket

import pytest

from relay.web.http.limits import ApiLimits
from tests.web.client import BOT, ApiServer, messages, queue
from tests.web.http.wire import head, line

SHORT = 0.5  # seconds for a request to arrive
JSON = "Content-Type: application/json"


@pytest.fixture
def opened(sqlite_store, clock, places):
    """Opens a door within limits of the test's own."""
    doors = []

    async def serve_api(**limits):
        api_server = ApiServer(sqlite_store, clock, places, ApiLimits(**{"request_seconds": SHORT} | limits))
        await api_server.open()
        doors.append(api_server)
        return api_server

    yield serve_api
    assert doors


@pytest.fixture
async def hasty(opened):
    api_server = await opened()
    yield api_server
    await api_server.close()


@pytest.fixture
async def patient(opened):
    """A door that waits long enough for anybody."""
    api_server = await opened(request_seconds=60)
    yield api_server
    await api_server.close()


# Slow


async def test_a_head_that_trickles_is_ended_in_time(hasty):
    async with line(hasty) as client:
        await client.say(head(hasty, "/v1/me")[:-2])
        trickling = asyncio.create_task(client.trickle(b"X-More: 1\r\n", every=0.05))

        assert (408, "request_timeout") == (await client.reply()).problem
        await trickling


async def test_a_body_that_trickles_is_ended_in_time(hasty):
    await hasty.agent()
    async with line(hasty) as client:
        await client.say(head(hasty, queue("lease"), JSON, "Content-Length: 1000", method="POST"))
        trickling = asyncio.create_task(client.trickle(b" ", every=0.05))

        assert (408, "request_timeout") == (await client.reply()).problem
        await trickling


async def test_a_body_that_stops_is_ended_in_time(hasty):
    await hasty.agent()
    async with line(hasty) as client:
        await client.say(head(hasty, queue("lease"), JSON, "Content-Length: 1000", method="POST"), b"{")

        assert (408, "request_timeout") == (await client.reply()).problem
        assert b"" == await client.ends()


async def test_a_client_that_says_nothing_is_left(hasty):
    async with line(hasty) as client:
        assert b"" == await client.ends()


async def test_a_request_behind_another_has_its_own_time(hasty):
    async with line(hasty) as client:
        await client.say(head(hasty, "/healthz"))
        assert 200 == (await client.reply()).status

        await client.say(b"GET /healthz HTTP/1.1\r\n")

        assert (408, "request_timeout") == (await client.reply()).problem


async def test_half_a_request_that_came_with_a_whole_one_has_its_time_too(hasty):
    async with line(hasty) as client:
        await client.say(head(hasty, "/healthz") + b"GET /healthz HTTP/1.1\r\n")

        assert [200, 408] == [(await client.reply()).status, (await client.reply()).status]


async def test_a_request_that_has_arrived_may_take_its_time(hasty):
    await hasty.agent()
    async with line(hasty) as client:
        await client.say(head(hasty, messages(f"?wait={4 * SHORT}")))

        assert 200 == (await client.reply()).status


async def test_an_idle_connection_is_kept_for_longer_than_a_request_may_take(hasty):
    async with line(hasty) as client:
        await client.say(head(hasty, "/healthz"))
        await client.reply()
        await asyncio.sleep(2 * SHORT)

        await client.say(head(hasty, "/healthz"))

        assert 200 == (await client.reply()).status


async def test_a_client_that_takes_no_answer_is_left(hasty):
    await hasty.agent()
    message = await hasty.message(b"Subject: big\r\n\r\n" + b"x" * 4_000_000)
    host, port = hasty.server.addresses[0]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (host, port))
        await loop.sock_sendall(client, head(hasty, messages(f"/{message.id}/raw")))

        async with asyncio.timeout(10):
            while not hasty.server.connections:  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)
            while hasty.server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_client_that_takes_its_answer_slowly_is_not_left(hasty):
    await hasty.agent()
    message = await hasty.message(b"Subject: big\r\n\r\n" + b"x" * 8_000_000)
    host, port = hasty.server.addresses[0]
    got = 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (host, port))
        await loop.sock_sendall(client, head(hasty, messages(f"/{message.id}/raw"), "Connection: close"))
        while part := await loop.sock_recv(client, 400_000):
            got += len(part)
            await asyncio.sleep(SHORT / 10)

    assert got > 8_000_000


# Large


@pytest.mark.parametrize("size", [65_537, 10_000_000])
async def test_a_body_that_says_it_is_too_large_is_not_waited_for(patient, size):
    await patient.agent()
    async with line(patient) as client:
        await client.say(head(patient, queue("lease"), JSON, f"Content-Length: {size}", method="POST"), b"{")

        assert (413, "body_too_large") == (await client.reply()).problem


async def test_a_client_that_sends_ten_megabytes_all_the_same_hears_why_not(patient):
    await patient.agent()
    async with line(patient) as client:
        start = head(patient, queue("lease"), JSON, "Content-Length: 10000000", method="POST")
        await client.say(start, *[b"x" * 100_000] * 100)
        assert (413, "body_too_large") == (await client.reply()).problem

        await client.say(head(patient, "/healthz"))

        assert 200 == (await client.reply()).status


async def test_a_body_in_chunks_without_end_is_refused_when_it_is_too_much(opened):
    api_server = await opened(request_seconds=4 * SHORT)
    await api_server.agent()
    async with line(api_server) as client:
        await client.say(head(api_server, queue("lease"), JSON, "Transfer-Encoding: chunked", method="POST"))
        endless = asyncio.create_task(client.trickle(b"1000\r\n" + b" " * 4096 + b"\r\n", every=0.001))

        assert (413, "body_too_large") == (await client.reply()).problem
        await client.ends()
        await endless
    await api_server.close()


async def test_a_body_in_chunks_without_end_that_nobody_reads_is_ended_too(hasty):
    async with line(hasty) as client:
        await client.say(head(hasty, "/healthz", "Transfer-Encoding: chunked"))
        endless = asyncio.create_task(client.trickle(b"1000\r\n" + b" " * 4096 + b"\r\n", every=0.001))

        assert 200 == (await client.reply()).status
        await client.ends()
        await endless


async def test_nothing_of_a_stranger_s_body_is_asked_for(patient):
    async with line(patient) as client:
        expecting = ("Expect: 100-continue", "Content-Length: 50000")
        await client.say(head(patient, "/v1/keys", *expecting, JSON, method="POST", key=None))

        assert (401, "unauthorized") == (await client.reply()).problem


@pytest.mark.parametrize(
    "fields",
    [b"X-Long: " + b"x" * 20_000, b"\r\n".join(b"X-%d: 1" % number for number in range(1_000_000))],
    ids=["one of 20 kB", "a million"],
)
async def test_a_head_without_end_is_refused(patient, fields):
    async with line(patient) as client:
        saying = asyncio.create_task(client.say(b"GET /healthz HTTP/1.1\r\n" + fields))

        assert (431, "head_too_large") == (await client.reply()).problem
        await client.ends()
        await saying


async def test_a_head_of_many_fields_in_one_packet_is_bounded_too(patient):
    async with line(patient) as client:
        await client.say(head(patient, "/healthz", *["a: b"] * 10_000))

        assert (431, "head_too_large") == (await client.reply()).problem


# No HTTP


@pytest.mark.parametrize(
    "start",
    [
        b"EHLO mx.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Y: a\0b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/keys HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_all_the_same(patient, start):
    async with line(patient) as client:
        await client.say(start)

        assert (400, "bad_request") == (await client.reply()).problem
        assert b"" == await client.ends()


async def test_a_chunk_that_is_none_ends_a_request_under_way(patient):
    await patient.agent()
    async with line(patient) as client:
        await client.say(
            head(patient, queue("lease"), JSON, "Transfer-Encoding: chunked", method="POST"), b"zz\r\n\r\n"
        )

        assert (400, "bad_request") == (await client.reply()).problem
        assert b"" == await client.ends()

    assert 200 == (await patient.get("/healthz")).status


async def test_an_upgrade_is_not_taken_up(patient):
    async with line(patient) as client:
        await client.say(head(patient, "/healthz", "Connection: Upgrade", "Upgrade: websocket"))

        assert 200 == (await client.reply()).status


# Many


async def test_over_the_bound_a_connection_is_refused_when_the_others_are_busy(opened):
    api_server = await opened(max_connections=2, request_seconds=60)
    await api_server.agent()
    async with line(api_server) as first, line(api_server, peer="127.0.0.2") as second:
        for client in (first, second):
            await client.say(head(api_server, f"/v1/agents/{BOT}/events"))
            assert 200 == (await client.reply()).status

        async with line(api_server, peer="127.0.0.3") as third:
            reply = await third.reply()
            assert (503, "too_many_connections") == reply.problem
            assert reply.headers["retry-after"]

    await api_server.close()


async def test_a_place_that_is_left_is_free_again(opened):
    api_server = await opened(max_connections=1, request_seconds=60)
    async with line(api_server) as first:
        await first.say(head(api_server, "/healthz", "Connection: close"))
        await first.reply()
        await first.ends()

    async with line(api_server) as second:
        await second.say(head(api_server, "/healthz"))
        assert 200 == (await second.reply()).status

    await api_server.close()
