"""What an endpoint may answer: the first status line counts, and little is read before and behind it."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.http_answers import MAX_HEAD, check_aiohttp
from tests.cost import SECOND, cost_of
from tests.delivery.test_post import BODY, answering, ask, endpoint, poster, wire


def saying(*parts, pause=0.0, then_wait=False):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(len(BODY))
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if then_wait:
            await asyncio.sleep(60)

    return talk


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"X-A: b\r\n" * 500 + b"\r\n",
        b"X-A: b\r\n" * 100_000 + b"\r\n",
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"Content-Length: -1\r\n\r\n",
        b"X-A: a\x00b\r\n\r\n",
        b"no colon\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n" + b"HTTP/1.1 500 No\r\n\r\n" * 10_000,
        b"",
    ],
)
@pytest.mark.parametrize("status", [200, 204, 500])
async def test_a_status_line_counts_whatever_follows(status, rest):
    async with wire(saying(b"HTTP/1.1 %d OK\r\n" % status + rest)) as port:
        answer = await ask(port)

    assert (status, None) == (answer.status, answer.error)


@pytest.mark.parametrize("status", ["999", "600", "099", "000", "99", "1000", "-20", "2e1", "\uff12\uff10\uff10"])
async def test_a_status_outside_100_to_599_is_not_http(status):
    async with wire(saying(f"HTTP/1.1 {status} Request denied\r\n\r\n".encode())) as port:
        answer = await ask(port)

    assert (None, "not http") == (answer.status, answer.error)


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"])
async def test_some_interim_answers_are_read_over(interim):
    async with wire(saying(interim * 20 + b"HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n")) as port:
        assert 201 == (await ask(port)).status


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 21,
        b"HTTP/1.1 103 Hints\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n" + b"X-A: b\r\n" * 20_000,
        b"HTTP/1.1 200 " + b"O" * 70_000,
    ],
)
async def test_what_comes_before_the_final_status_line_is_bounded(part):
    async with wire(saying(part, then_wait=True)) as port:
        answer = await ask(port, total_seconds=30)

    assert (None, "not http") == (answer.status, answer.error)
    assert answer.duration_ms < 15_000  # not the whole time that a post has


async def test_interim_answers_without_end_leave_the_loop_to_others():
    sent = 0

    async def talk(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            sent += 25_000
            await writer.drain()

    async with wire(talk) as port, poster(total_seconds=30) as sender:

        async def attack():
            answers = await asyncio.gather(*(sender.post(f"http://127.0.0.1:{port}/", {}, BODY) for _ in range(8)))
            assert {"not http"} == {answer.error for answer in answers}

        assert await cost_of(attack) < SECOND
    assert sent < 8 * 16 * 1024 * 1024


async def test_a_flood_of_answers_behind_the_first_is_dropped_with_the_connection():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 204 No\r\n\r\n" * 5000)
            await writer.drain()

    async with wire(talk) as port, poster() as sender:

        async def attack():
            for _ in range(5):
                assert 204 == (await sender.post(f"http://127.0.0.1:{port}/", {}, BODY)).status

        assert await cost_of(attack) < SECOND


async def test_a_kept_connection_counts_each_answer_for_itself():
    async with endpoint(answering(200, body=b"ok")) as port, poster() as sender:
        for status in (200,) * 30:
            assert status == (await sender.post(f"http://127.0.0.1:{port}/", {}, BODY)).status


async def test_a_failed_post_after_a_good_one_has_no_status():
    answers = iter([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""])

    async def talk(reader, writer):
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
            writer.write(answer)
            await writer.drain()

    async with wire(talk) as port, poster() as sender:
        first, second = [await sender.post(f"http://127.0.0.1:{port}/", {}, BODY) for _ in range(2)]

    assert (200, None, "connection closed") == (first.status, second.status, second.error)


async def test_an_answer_in_single_bytes_is_read():
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
    async with wire(saying(*(bytes([byte]) for byte in said))) as port:
        answer = await ask(port)

    assert (503, 7.0) == (answer.status, answer.retry_after)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.binary(max_size=200), st.integers(1, 50))
async def test_any_status_and_any_bytes_are_an_answer(status, rest, size):
    said = b"HTTP/1.1 %d X\r\n" % status + rest
    parts = [said[start : start + size] for start in range(0, len(said), size)]
    async with wire(saying(*parts)) as port:
        answer = await ask(port)

    assert (answer.status is None) == (answer.error is not None)
    assert answer.status is None or 100 <= answer.status <= 599


@pytest.mark.parametrize("scheme", ["http"])
async def test_an_ipv6_literal_is_posted_to(scheme):
    server = await asyncio.start_server(saying_once(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert 200 == (await ask(port, host="[::1]", scheme=scheme)).status


def saying_once(said):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    return talk


async def test_the_duration_ends_with_the_status():
    began = time.monotonic()
    async with wire(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", then_wait=True)) as port:
        answer = await ask(port)

    assert answer.duration_ms < 1000 * (time.monotonic() - began)


def test_this_aiohttp_has_the_parts_that_are_replaced():
    check_aiohttp()
    assert MAX_HEAD == 65_536
