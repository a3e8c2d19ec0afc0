"""Posting to endpoints: real servers on this machine, and names that lead where they should not."""

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_network

import aiohttp
import pytest
import trustme
from aiohttp import web

from relay.delivery.outcome import WebhookAnswer
from relay.delivery.post import READ_LIMIT, Poster, describe
from relay.errors import ForbiddenTarget
from tests.fakes import FakeClock

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
BODY = b'{"type":"email.received"}'


class Names:
    """A world's DNS: each name has a list of answers, given one after the other, the last one for ever."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked = []

    async def __call__(self, host):
        self.asked.append(host)
        given = self.answers.get(host)
        if not given:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return given.pop(0) if len(given) > 1 else given[0]


@contextlib.asynccontextmanager
async def endpoint(handler, *, tls=None):
    """A web server whose every request is answered by *handler*; yields its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def wire(talk):
    """A bare TCP server for what no web server would say; yields its port."""
    talks = set()

    async def once(reader, writer):
        talks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def poster(**options):
    return Poster(**{"clock": FakeClock(), "allow": LOOPBACK, "total_seconds": 5.0} | options)


def answering(status, **options):
    async def handler(_request):
        return web.Response(status=status, **options)

    return handler


async def ask(port, *, host="127.0.0.1", scheme="http", **options):
    async with poster(**options) as sender:
        return await sender.post(f"{scheme}://{host}:{port}/hook", {}, BODY)


async def closed_port():
    async with wire(lambda *_: asyncio.sleep(0)) as port:
        return port


async def test_a_request_arrives_as_it_was_given():
    seen = {}

    async def handler(request):
        seen.update(method=request.method, path=request.raw_path, body=await request.read(), headers=request.headers)
        return web.Response()

    async with endpoint(handler) as port, poster() as sender:
        url = f"http://127.0.0.1:{port}/a%2Fb/ü?x=%20&y=1"
        answer = await sender.post(url, {"webhook-id": "evt_1", "Mailseal-Sender": ""}, BODY)

    assert answer.status == 200
    assert answer.error is None
    assert seen["method"] == "POST"
    assert seen["path"] == "/a%2Fb/%C3%BC?x=%20&y=1"
    assert seen["body"] == BODY
    assert seen["headers"]["webhook-id"] == "evt_1"
    assert seen["headers"]["Mailseal-Sender"] == ""
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["User-Agent"] == "Mailseal"
    assert seen["headers"]["Host"] == f"127.0.0.1:{port}"
    assert "Accept-Encoding" not in seen["headers"]


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 308, 400, 401, 404, 410, 500, 503])
async def test_a_status_is_reported_as_it_is(status):
    async with endpoint(answering(status, headers={"Location": "/elsewhere"})) as port:
        answer = await ask(port)

    assert answer.status == status
    assert answer.error is None
    assert answer.retry_after is None


async def test_a_redirect_is_not_followed():
    paths = []

    async def handler(request):
        paths.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with endpoint(handler) as port:
        await ask(port)

    assert paths == ["/hook"]


@pytest.mark.parametrize(
    ("expected", "status", "value"),
    [
        (7.0, 429, "7"),
        (7.0, 503, "7"),
        (60.0, 503, "Mon, 23 Nov 2026 15:18:00 GMT"),
        (None, 429, "soon"),
        (None, 500, "7"),
        (None, 200, "7"),
    ],
)
async def test_retry_after_is_read_where_it_counts(expected, status, value):
    async with endpoint(answering(status, headers={"Retry-After": value})) as port:
        answer = await ask(port)

    assert (expected, status) == (answer.retry_after, answer.status)


async def test_a_cookie_is_not_kept():
    cookies = []

    async def handler(request):
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with endpoint(handler) as port, poster() as sender:
        for _ in range(2):
            await sender.post(f"http://127.0.0.1:{port}/", {}, BODY)

    assert cookies == [None, None]


async def test_connections_are_kept():
    peers = set()

    async def handler(request):
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=b"ok" * 1000)

    async with endpoint(handler) as port, poster() as sender:
        answers = [await sender.post(f"http://127.0.0.1:{port}/", {}, BODY) for _ in range(5)]

    assert [answer.status for answer in answers] == [200] * 5
    assert len(peers) == 1


async def test_a_body_of_several_megabytes_arrives():
    seen = []

    async def handler(request):
        seen.append([len(chunk) async for chunk in request.content.iter_any()])
        return web.Response()

    async with endpoint(handler) as port, poster() as sender:
        answer = await sender.post(f"http://127.0.0.1:{port}/", {}, b"x" * 3_000_000)

    assert answer.status == 200
    assert sum(seen[0]) == 3_000_000


async def test_one_slow_endpoint_does_not_hold_up_another():
    async def slow(_request):
        await asyncio.sleep(60)

    async with endpoint(slow) as slow_port, endpoint(answering(200)) as port, poster() as sender:
        waiting = [asyncio.create_task(sender.post(f"http://127.0.0.1:{slow_port}/", {}, BODY)) for _ in range(50)]
        await asyncio.sleep(0.05)
        answer = await asyncio.wait_for(sender.post(f"http://127.0.0.1:{port}/", {}, BODY), 20)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert answer.status == 200


# What goes wrong at the other end.


async def test_an_endpoint_that_hangs_is_a_timeout():
    async def handler(_request):
        await asyncio.sleep(60)

    async with endpoint(handler) as port:
        answer = await ask(port, total_seconds=0.2)

    assert (answer.status, answer.error) == (None, "timeout")
    assert 150 <= answer.duration_ms < 30_000  # the endpoint hangs for 60 s


async def test_headers_that_drip_for_ever_end_with_the_status_that_came_first():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with wire(talk) as port:
        answer = await ask(port, total_seconds=0.3)

    assert (200, None) == (answer.status, answer.error)


async def test_slow_interim_answers_are_a_timeout():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with wire(talk) as port:
        answer = await ask(port, total_seconds=0.3)

    assert answer.error == "timeout"


async def test_an_endpoint_that_never_reads_is_a_timeout():
    async def talk(_reader, _writer):
        await asyncio.sleep(60)

    async with wire(talk) as port, poster(total_seconds=0.3) as sender:
        answer = await sender.post(f"http://127.0.0.1:{port}/", {}, b"x" * 20_000_000)

    assert answer.error == "timeout"


async def test_a_slow_body_behind_a_status_costs_the_connection_and_not_the_delivery():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with wire(talk) as port:
        answer = await ask(port, total_seconds=2)

    assert (answer.status, answer.error) == (200, None)
    assert answer.duration_ms < 1500  # the status came at once; the body had the rest of two seconds


async def test_a_huge_body_is_read_only_so_far():
    written = 0

    async def talk(reader, writer):
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            written += 65536
            await writer.drain()

    async with wire(talk) as port, poster() as sender:
        answer = await asyncio.wait_for(sender.post(f"http://127.0.0.1:{port}/", {}, BODY), 30)
        await asyncio.sleep(0.05)

    assert answer.status == 200
    assert written >= READ_LIMIT
    assert written < 64 * 1024 * 1024


async def test_a_compressed_answer_is_not_unpacked():
    async with endpoint(answering(200, body=b"not gzip", headers={"Content-Encoding": "gzip"})) as port:
        assert (await ask(port)).status == 200


async def test_an_answer_broken_off_still_has_its_status():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()

    async with wire(talk) as port:
        assert (await ask(port)).status == 500


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ("connection closed", b""),
        ("not http", b"220 mail.example ESMTP\r\n"),
        ("not http", b"HTTP/1.1 abc\r\n\r\n"),
        ("not http", b"HTTP/1.1 20\r\n\r\n"),
        ("not http", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("not http", b"HTTP/2 200 OK\r\n\r\n"),
        ("not http", b"\x00\xff" * 5000),
    ],
)
async def test_an_endpoint_that_does_not_speak_http_is_told_so(expected, said):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with wire(talk) as port:
        answer = await ask(port)

    assert (None, expected) == (answer.status, answer.error)


async def test_a_closed_port_is_connection_refused():
    assert (await ask(await closed_port())).error == "connection refused"


@pytest.mark.parametrize("headers", [{"X-A": "a\r\nX-B: b"}, {"X-A\r\n": "b"}, {"X-A": "a\x00"}, {"X-A": 5}])
async def test_headers_that_cannot_be_sent_fail_without_raising_or_being_sent(headers):
    arrived = []

    async def handler(request):
        arrived.append(request.headers)
        return web.Response()

    async with endpoint(handler) as port, poster() as sender:
        answer = await sender.post(f"http://127.0.0.1:{port}/", headers, BODY)

    assert answer.status is None
    assert answer.error is not None
    assert arrived == []


async def test_cancelling_a_post_cancels_it():
    async def handler(_request):
        await asyncio.sleep(60)

    async with endpoint(handler) as port, poster() as sender:
        task = asyncio.create_task(sender.post(f"http://127.0.0.1:{port}/", {}, BODY))
        await asyncio.sleep(0.05)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_closed_poster_fails_without_raising():
    sender = poster()
    await sender.close()

    assert (await sender.post("https://127.0.0.1/", {}, BODY)).error == "failed"


# Where a URL must not lead.


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["fd00:ec2::254"],
        ["fe80::1%lo"],
        ["0.0.0.0"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "2606:4700::1"],
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_name_with_any_forbidden_address_is_refused_as_a_whole(addresses, scheme):
    async with endpoint(answering(200)) as port:
        names = Names(hooks_example=[addresses])
        answer = await ask(port, host="hooks.example", scheme=scheme, allow=(), lookup=names)

    assert (answer.status, answer.error) == (None, "forbidden address")


async def test_a_name_in_the_operators_networks_is_asked_by_http():
    async with endpoint(answering(200)) as port:
        answer = await ask(port, host="hooks.example", lookup=Names(hooks_example=[["127.0.0.1"]]))

    assert answer.status == 200


async def test_http_is_not_spoken_to_a_public_address_even_where_networks_are_open():
    answer = await ask(80, host="hooks.example", lookup=Names(hooks_example=[["8.8.8.8"]]))

    assert answer.error == "forbidden address"


async def test_http_is_not_spoken_to_a_name_with_one_public_address():
    async with endpoint(answering(200)) as port:
        answer = await ask(port, host="hooks.example", lookup=Names(hooks_example=[["127.0.0.1", "8.8.8.8"]]))

    assert answer.error == "forbidden address"


async def test_a_name_that_moves_inside_is_refused_at_its_next_connection():
    async def handler(_request):
        return web.Response(headers={"Connection": "close"})

    async with endpoint(handler) as port:
        names = Names(hooks_example=[["127.0.0.1"], ["127.0.0.2"]])
        async with poster(allow=[ip_network("127.0.0.1/32")], lookup=names) as sender:
            url = f"http://hooks.example:{port}/"
            answers = [await sender.post(url, {}, BODY) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, None]
    assert answers[1].error == "forbidden address"


async def test_what_was_checked_is_what_is_connected_to():
    """The name is asked once for a connection: a second answer has no chance to be another one."""
    async with endpoint(answering(200)) as port:
        names = Names(hooks_example=[["127.0.0.1"], ["10.0.0.1"]])
        answer = await ask(port, host="hooks.example", lookup=names)

    assert answer.status == 200
    assert names.asked == ["hooks.example"]


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.0.1",
        "127.0.0.1.",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1%25lo]",
        "localhost",
        "localhost.",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_no_spelling_of_this_machine_is_connected_to(host, scheme):
    connections = []

    async def talk(_reader, _writer):
        connections.append(host)

    async with wire(talk) as port:
        answer = await ask(port, host=host, scheme=scheme, allow=())

    assert (answer.status, answer.error) == (None, "forbidden address")
    assert connections == []


async def test_an_address_in_the_url_is_judged_by_the_socket_too():
    """The client never asks a resolver about an address, so only the check of the socket sees it."""
    async with wire(lambda *_: asyncio.sleep(0)) as port, poster(allow=()) as sender:
        session = sender._sessions["https"]

        with pytest.raises(aiohttp.ClientConnectorError) as refusal:
            await session.post(f"https://127.0.0.1:{port}/")

    assert describe(refusal.value) == "forbidden address"


@pytest.mark.parametrize(
    "url", ["", "ftp://example.com/", "https://user@example.com/", "https://a b/", "\ud800", "x" * 9999]
)
async def test_what_is_no_url_is_an_answer_too(url):
    async with poster() as sender:
        answer = await sender.post(url, {}, BODY)

    assert answer.error == "forbidden address"


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{await closed_port()}")
    async with endpoint(answering(200)) as port:
        answer = await ask(port)

    assert answer.status == 200


# Names.


async def test_a_name_that_does_not_exist_is_dns():
    assert (await ask(1, host="nowhere.example", lookup=Names())).error == "dns"


async def test_a_name_without_addresses_is_dns():
    assert (await ask(1, host="empty.example", lookup=Names(empty_example=[[]]))).error == "dns"


async def test_a_name_that_takes_for_ever_is_a_timeout():
    async def lookup(_host):
        await asyncio.sleep(60)

    assert (await ask(1, host="slow.example", lookup=lookup, total_seconds=0.2)).error == "timeout"


async def test_the_systems_resolver_is_asked_by_default():
    async with endpoint(answering(200)) as port:
        assert (await ask(port, host="localhost")).status == 200


# TLS.


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def server_tls(authority, *names):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


def client_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_certificate_for_the_name_is_taken(authority):
    names = Names(hooks_example=[["127.0.0.1"]])
    async with endpoint(answering(200), tls=server_tls(authority, "hooks.example")) as port:
        answer = await ask(port, host="hooks.example", scheme="https", lookup=names, tls=client_tls(authority))

    assert (answer.status, answer.error) == (200, None)


async def test_a_certificate_for_another_name_is_not_taken(authority):
    names = Names(hooks_example=[["127.0.0.1"]])
    async with endpoint(answering(200), tls=server_tls(authority, "other.example")) as port:
        answer = await ask(port, host="hooks.example", scheme="https", lookup=names, tls=client_tls(authority))

    assert answer.error == "tls: certificate not trusted"


async def test_a_certificate_of_an_unknown_authority_is_not_taken(authority):
    names = Names(hooks_example=[["127.0.0.1"]])
    async with endpoint(answering(200), tls=server_tls(authority, "hooks.example")) as port:
        answer = await ask(port, host="hooks.example", scheme="https", lookup=names)

    assert answer.error == "tls: certificate not trusted"


async def test_a_server_that_speaks_no_tls_is_a_failed_handshake():
    async def talk(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with wire(talk) as port:
        assert (await ask(port, scheme="https")).error == "tls: handshake failed"


async def test_a_server_that_hangs_in_the_handshake_is_a_timeout():
    async with wire(lambda *_: asyncio.sleep(60)) as port:
        assert (await ask(port, scheme="https", total_seconds=0.3)).error == "timeout"


# Words.


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ("forbidden address", ForbiddenTarget()),
        ("timeout", TimeoutError()),
        ("connection refused", ConnectionRefusedError()),
        ("connection closed", ConnectionResetError()),
        ("connection closed", OSError()),
        ("failed", RuntimeError("password=hunter2")),
    ],
)
def test_every_error_has_words_of_ours(expected, error):
    assert expected == describe(error)


def test_an_answer_summarises_itself():
    assert WebhookAnswer(status=404).summary == "status 404"
    assert WebhookAnswer(error="dns").summary == "dns"


def test_the_fake_clock_stands_where_the_dates_of_these_tests_expect_it():
    assert FakeClock().now() == datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
