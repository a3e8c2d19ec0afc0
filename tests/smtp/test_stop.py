"""Stopping: who is told to come back, who may finish, and that nothing is left."""

import asyncio

import pytest

from relay.smtp.limits import Limits
from tests.smtp.test_server import MAIL, until


def tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_who_waits_for_a_command_is_told_to_come_back(open_server, connect):
    server = await open_server()
    client, in_mail = await connect(server), await connect(server)
    await client.greet()
    await in_mail.greet()
    await in_mail.say("MAIL FROM:<>")
    before = tasks()
    async with asyncio.timeout(30):
        await server.stop(60)

    assert b"421 4.3.2 Service is stopping, try again later\r\n" == await client.rest()
    assert b"421 4.3.2 Service is stopping, try again later\r\n" == await in_mail.rest()
    assert tasks() <= before
    assert 0 == server.connections
    with pytest.raises(OSError):
        await asyncio.open_connection(*client.writer.get_extra_info("peername"))


async def test_who_is_in_the_middle_of_a_mail_may_finish_it(open_server, connect, collector):
    server = await open_server()
    client = await connect(server)
    await client.begin()
    client.send(MAIL)
    stopping = asyncio.create_task(server.stop(10))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    client.send(b".\r\n")

    assert (await client.reply()).startswith("250 2.0.0 Accepted")
    assert (await client.reply()).startswith("421 4.3.2 ")
    await stopping
    assert 1 == len(collector.mails)


async def test_commands_and_octets_of_mails_make_no_task(open_server, connect):
    server = await open_server()
    before = tasks()
    clients = [await connect(server) for _ in range(3)]
    for client in clients:
        await client.begin()
        client.send(MAIL)
    await until(lambda: server.inflight_bytes > 1)

    assert before == tasks()


@pytest.mark.parametrize("command", ["DATA", "BDAT 1000", "BDAT 1000 LAST"])
async def test_a_mail_that_does_not_end_is_cut_behind_the_grace(open_server, connect, collector, command):
    server = await open_server()
    client = await connect(server)
    await client.greet()
    await client.start_mail(command, MAIL)
    await until(lambda: server.inflight_bytes > 1)
    await server.stop(0.05)

    assert b"421 4.3.2 " in await client.rest()
    assert [] == collector.spools
    assert 0 == server.inflight_bytes


async def test_a_mail_that_is_being_kept_is_waited_for_behind_the_grace(open_server, connect, collector):
    server = await open_server()
    client = await connect(server)
    collector.may_receive.clear()
    await client.begin()
    client.send(MAIL + b".\r\nMAIL FROM:<>\r\n")
    await collector.receiving.wait()
    stopping = asyncio.create_task(server.stop(0))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    collector.may_receive.set()
    await stopping

    assert [MAIL] == [mail for _, mail in collector.mails]
    assert b"250 2.0.0 Accepted as msg_1a\r\n421 4.3.2 " == (await client.rest())[:40]


async def test_a_question_that_is_never_answered_is_let_go(open_server, connect, collector):
    server = await open_server()
    client = await connect(server)
    collector.may_admit.clear()
    await client.greet()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\n")
    await collector.admitting.wait()
    await server.stop(0.05)

    assert b"421 4.3.2 " in await client.rest()
    assert 0 == server.connections


async def test_who_does_not_hang_up_is_hung_up(open_server, connect):
    server = await open_server(Limits(linger_seconds=60))
    client = await connect(server)
    client.send(b"GET /\r\n")
    await client.reply()
    await client.reply()
    async with asyncio.timeout(5):
        await server.stop(0.05)

    assert 0 == server.connections


async def test_a_door_without_clients_stops_at_once(open_server):
    server = await open_server()
    async with asyncio.timeout(30):
        await server.stop(60)
        await server.stop(60)
