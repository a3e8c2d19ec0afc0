"""Who answers at the doors, and how."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from relay.checkup import listeners as doors
from relay.checkup.listeners import check_listeners, check_outgoing, check_port_25
from relay.settings import Settings
from tests.fakes import FakeResolver

HOST = "mx.here.example"


@asynccontextmanager
async def serving(conversation):
    """A server that has *conversation* with everybody; it ends when all of them have."""
    talks = set()

    async def talk(reader, writer):
        talks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await conversation(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]
    await asyncio.gather(*talks)


def answering(text):
    """A server that says *text* to everybody."""

    async def answer(reader, writer):
        if text.startswith(b"HTTP"):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()

    return serving(answer)


async def looked_at(smtp, http):
    async with answering(smtp) as mail, answering(http) as web:
        settings = Settings(hostname=HOST, smtp_listen=[mail], http_listen=[web])
        return [each.state for each in await check_listeners(settings)]


@pytest.mark.parametrize(
    ("smtp", "http", "states"),
    [
        (b"220 mx.here.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\n\r\n", ["ok", "ok"]),
        (b"220 other.example ESMTP\r\n", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", ["failing", "warning"]),
        (b"421 4.3.2 too many\r\n", b"", ["failing", "failing"]),
        (b"", b"\0" * 2000, ["failing", "failing"]),
        (b"\x1b[2J" * 500, b"HTTP/1.1 200 OK", ["ok", "failing"]),
    ],
)
async def test_each_door_is_judged_by_what_it_says(smtp, http, states):
    assert states == await looked_at(smtp, http)


async def test_where_the_daemon_does_not_run_its_doors_are_passed_over(unused_tcp_port_factory):
    ports = unused_tcp_port_factory(), unused_tcp_port_factory()
    settings = Settings(hostname=HOST, smtp_listen=[("::", ports[0])], http_listen=[("0.0.0.0", ports[1])])

    assert ["skipped", "skipped"] == [each.state for each in await check_listeners(settings)]


async def test_a_door_that_is_shut_while_the_daemon_runs_fails(unused_tcp_port_factory):
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as web:
        port = unused_tcp_port_factory()
        settings = Settings(hostname=HOST, smtp_listen=[("127.0.0.1", port)], http_listen=[web])
        assert ["ok", "failing"] == [each.state for each in await check_listeners(settings)]


async def test_a_door_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(doors, "SECONDS", 0.05)

    async def say_nothing(reader, _writer):
        while await reader.read(100):
            pass

    async with serving(say_nothing) as web:
        found = await check_listeners(Settings(hostname=HOST, smtp_listen=[web], http_listen=[web]))
    assert {"failing"} == {each.state for each in found}


async def test_a_host_without_an_address_has_no_way_in():
    found = await check_port_25(Settings(hostname=HOST), resolver=FakeResolver({}))

    assert ["skipped"] == [each.state for each in found]


async def test_a_port_that_nobody_answers_at_is_said():
    resolver = FakeResolver({(HOST, "A"): ["127.77.66.55"]})

    assert ["warning"] == [each.state for each in await check_port_25(Settings(hostname=HOST), resolver=resolver)]


@pytest.mark.parametrize("zone", [{("far.example", "MX"): ["10 127.77.66.55"]}, {}])
async def test_a_way_out_that_is_shut_is_said(zone):
    resolver = FakeResolver(zone)
    if not zone:
        resolver.down.add("far.example")

    assert ["warning"] == [each.state for each in await check_outgoing("far.example", resolver=resolver)]
