"""The driver over real sockets: hooks, clients that leave, floods and limits."""

import asyncio
import contextlib
import smtplib
import socket
import struct
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from relay.errors import BadSecret, Deferred, Unauthenticated
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from relay.smtp.limits import Limits
from relay.smtp.server import SmtpServer
from store.errors import Unavailable

MAIL = b"Subject: x\r\n\r\nbody\r\n"


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what it waits for tells nobody)
            await asyncio.sleep(0.005)


def reset(client):
    """Close so that the other end gets an error, not an end."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


async def test_smtplib_delivers_and_the_envelope_says_who_sent_what(open_server, collector):
    server = await open_server()

    def send():
        with smtplib.SMTP(*server.addresses[0], local_hostname="client.example") as client:
            return client.sendmail("ana@there.example", ["bot+eu@here.example", "nobody@here.example"], MAIL + b".\r\n")

    refused = await asyncio.to_thread(send)

    peer = Peer(ip=ip_address("127.0.0.1"), helo="client.example", tls=None, protocol="ESMTP")
    sender, recipient = Address("ana", "there.example"), Address("bot+eu", "here.example")
    assert [(Envelope(peer=peer, mail_from=sender, rcpt_to=(recipient,)), MAIL + b".\r\n")] == collector.mails
    assert {"nobody@here.example": (550, b"5.1.1 No such recipient here")} == refused


async def test_a_bounce_has_no_sender_and_one_recipient(open_server, connect, collector):
    client = await connect(await open_server())
    await client.greet()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n")
    assert ["250", "250", "452", "354"] == [(await client.reply())[:3] for _ in range(4)]
    client.send(b".\r\n")

    assert "250 2.0.0 Accepted as msg_1a" == await client.reply()
    assert collector.mails[0][0].mail_from is None
    assert (Address("a", "here.example"),) == collector.mails[0][0].rcpt_to


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RuntimeError("password=hunter2"), "451 4.3.0 "),
        (OSError("10.0.0.5"), "451 4.3.0 "),
        (Deferred("secret"), "451 4.3.0 "),
        (Unauthenticated("secret"), "550 5.7.26 "),
    ],
)
async def test_an_error_of_a_hook_is_fixed_words_and_the_session_goes_on(
    open_server, connect, collector, error, answer
):
    client = await connect(await open_server())
    collector.receive_error = error
    await client.begin()
    client.send(MAIL + b".\r\n")
    reply = await client.reply()
    assert reply.startswith(answer)
    assert str(error) not in reply
    assert collector.spools[0]._file.closed
    collector.admit_error, collector.receive_error = error, None
    assert (await client.say("MAIL FROM:<>")).startswith("250 ")
    reply = await client.say("RCPT TO:<bot@here.example>")
    assert reply.startswith(answer)
    assert str(error) not in reply
    collector.admit_error = None

    assert (await client.say("RCPT TO:<bot@here.example>")).startswith("250 ")
    assert (await client.say("DATA")).startswith("354 ")
    assert (await client.say(".")).startswith("250 ")


async def test_only_an_unforeseen_error_is_logged_as_one(open_server, connect, collector):
    client = await connect(await open_server())
    await client.greet()
    await client.say("MAIL FROM:<>")
    with capture_logs() as logs:
        collector.admit_error = ZeroDivisionError("secret")
        await client.say("RCPT TO:<bot@here.example>")
        collector.admit_error = Deferred("secret")
        await client.say("RCPT TO:<bot@here.example>")

    assert ["handler_failed", "message_refused", "message_refused"] == [line["event"] for line in logs]
    assert ("error", "asking") == (logs[0]["log_level"], logs[0]["phase"])


async def test_a_database_that_does_not_answer_is_one_line_a_mail_with_its_words(open_server, connect, collector):
    client = await connect(await open_server())
    await client.greet()
    await client.say("MAIL FROM:<>")
    collector.admit_error = Unavailable("the database cannot answer")
    collector.admit_error.__cause__ = OSError("disk I/O error")
    with capture_logs() as logs:
        assert (await client.say("RCPT TO:<bot@here.example>")).startswith("451 4.3.0 ")

    found = {name: logs[0][name] for name in ("event", "log_level", "phase", "error")}
    words = "the database cannot answer: disk I/O error"
    assert {"event": "database_failed", "log_level": "warning", "phase": "asking", "error": words} == found
    assert "exc_info" not in logs[0]


@pytest.mark.parametrize(
    "error", [Deferred("no nameserver"), BadSecret("not with this key"), ZeroDivisionError("zero")]
)
async def test_every_reply_that_puts_a_sender_off_is_logged_with_its_cause(open_server, connect, collector, error):
    client = await connect(await open_server())
    await client.greet()
    await client.say("MAIL FROM:<>")
    collector.admit_error = error
    with capture_logs() as logs:
        assert (await client.say("RCPT TO:<bot@here.example>")).startswith("451 ")

    assert f"{type(error).__name__}: {error}" == logs[-1]["cause"]


async def test_every_refusal_is_one_line_that_says_who_and_why_and_nothing_that_harms_a_terminal(open_server, connect):
    client = await connect(await open_server())
    await client.greet()
    await client.say('MAIL FROM:<"a\\b"@there.example> SMTPUTF8')
    with capture_logs() as logs:
        await client.say("RCPT TO:<nobody\u202e@here.example>")

    assert [
        {
            "event": "message_refused",
            "log_level": "info",
            "peer": "127.0.0.1",
            "helo": "client.example",
            "mail_from": "ab@there.example",
            "rcpt": ["nobody\\u202e@here.example"],
            "recipients": 1,
            "code": 550,
            "enhanced": "5.1.1",
            "reason": "No such recipient here",
        }
    ] == logs


async def test_a_slow_admit_holds_up_nobody_else(open_server, connect, collector):
    server = await open_server()
    slow, other = await connect(server), await connect(server)
    await slow.greet()
    await other.greet()
    collector.may_admit.clear()
    slow.send(b"MAIL FROM:<>\r\nRCPT TO:<bot@here.example>\r\n")
    await collector.admitting.wait()

    assert (await other.say("NOOP")).startswith("250 ")
    collector.may_admit.set()
    assert (await slow.reply()).startswith("250 2.1.0")
    assert (await slow.reply()).startswith("250 2.1.5")


@pytest.mark.parametrize("leave", [reset, lambda client: client.writer.close()], ids=["reset", "close"])
async def test_who_leaves_behind_the_final_dot_has_sent_a_mail(open_server, connect, collector, leave):
    server = await open_server()
    client = await connect(server)
    collector.may_receive.clear()
    await client.begin()
    client.send(MAIL + b".\r\n")
    await collector.receiving.wait()
    leave(client)
    await asyncio.sleep(0.02)
    assert 1 == server.connections
    collector.may_receive.set()
    await until(lambda: server.connections == 0)

    assert [MAIL] == [mail for _, mail in collector.mails]
    assert collector.spools[0]._file.closed
    assert 0 == server.inflight_bytes


async def test_who_sends_no_more_behind_the_final_dot_is_still_answered(open_server, connect, collector):
    client = await connect(await open_server())
    collector.may_receive.clear()
    await client.begin()
    client.send(MAIL + b".\r\n")
    client.writer.write_eof()
    await collector.receiving.wait()
    await asyncio.sleep(0.02)
    collector.may_receive.set()

    assert b"250 2.0.0 Accepted as msg_1a\r\n" == await client.rest()


@pytest.mark.parametrize("leave", [reset, lambda client: client.writer.close()], ids=["reset", "close"])
@pytest.mark.parametrize("command", ["DATA", "BDAT 500 LAST"])
async def test_who_leaves_in_the_middle_of_a_mail_has_sent_none(open_server, connect, collector, leave, command):
    server = await open_server()
    client = await connect(server)
    await client.greet()
    await client.start_mail(command, MAIL * 5)
    await until(lambda: server.inflight_bytes > 0)
    leave(client)
    await until(lambda: server.connections == 0)

    assert [] == collector.spools
    assert 0 == server.inflight_bytes


async def test_a_large_mail_arrives_whole_by_data_and_by_bdat(open_server, connect, collector, tmp_path):
    client = await connect(await open_server())
    big = b"".join(b".%d\r\n" % number for number in range(100_000))
    await client.begin()
    client.send(big.replace(b"\r\n.", b"\r\n..").replace(b".0", b"..0", 1) + b".\r\n")
    assert (await client.reply()).startswith("250 2.0.0 Accepted")
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<bot@here.example>\r\n")
    for at in range(0, len(big), 70_001):
        chunk = big[at : at + 70_001]
        client.send(b"BDAT %d\r\n" % len(chunk) + chunk)
    client.send(b"BDAT 0 LAST\r\n")
    answers = [await client.reply() for _ in range(2 + len(range(0, len(big), 70_001)) + 1)]

    assert {"250"} == {answer[:3] for answer in answers}
    assert [big, big] == [mail for _, mail in collector.mails]
    assert all(spool.on_disk for spool in collector.spools)
    assert [] == list((tmp_path / "spool").iterdir())


async def test_a_spool_that_cannot_be_written_puts_the_mail_off(open_server, connect, collector, tmp_path):
    (tmp_path / "spool").write_text("not a folder")
    client = await connect(await open_server())
    await client.begin()
    client.send(b"x" * 60_000 + b"\r\n")
    client.send((b"x" * 998 + b"\r\n") * 400 + b".\r\n")

    assert (await client.reply()).startswith("452 4.3.1 ")
    assert (await client.say("NOOP")).startswith("250 ")
    assert [] == collector.spools


@pytest.mark.parametrize("command", ["DATA", "BDAT 10 LAST"])
async def test_mail_beyond_the_budget_of_all_sessions_is_put_off(open_server, connect, collector, command):
    server = await open_server(Limits(max_inflight_bytes=100))
    first, second = await connect(server), await connect(server)
    await first.begin()
    first.send(b"x" * 90 + b"\r\nhalf")
    await until(lambda: server.inflight_bytes > 90)
    await second.greet()
    assert (await second.say("MAIL FROM:<> SIZE=100")).startswith("452 4.3.1 ")
    await second.start_mail(command, b"12345678\r\n" + (b"" if command.startswith("BDAT") else b".\r\n"))

    assert (await second.reply()).startswith("452 4.3.1 ")
    first.send(b"12345678\r\n.\r\n")
    assert (await first.reply()).startswith("452 4.3.1 ")
    assert 0 == server.inflight_bytes
    assert (await second.say("DATA")).startswith("503 5.5.1 ")


async def test_a_client_that_pipelines_much_does_not_starve_the_others(open_server, connect, collector):
    server = await open_server(Limits(max_recipients=5000, max_commands=5000))
    flood, victim = await connect(server), await connect(server)
    await flood.greet()
    await victim.greet()
    recipients = b"".join(b"RCPT TO:<flood%d@here.example>\r\n" % number for number in range(2000))
    flood.send(b"MAIL FROM:<a@there.example>\r\n" + recipients)
    victim.send(b"MAIL FROM:<>\r\nRCPT TO:<victim@here.example>\r\n")
    await until(lambda: len(collector.asked) == 2001)

    assert collector.asked.index("victim@here.example") < 500


async def test_a_client_that_does_not_read_is_cut_off(open_server, connect):
    server = await open_server(Limits(max_commands=10**9, idle_seconds=0.2))
    client = await connect(server)
    client.reader._transport.pause_reading()
    with contextlib.suppress(OSError):
        for _ in range(200):
            client.send(b"EHLO x\r\n" * 1000)
            await asyncio.sleep(0)
    await until(lambda: server.connections == 0)


async def test_replies_to_a_group_come_in_one_piece(open_server, connect):
    client = await connect(await open_server())
    await client.greet()
    client.send(b"NOOP\r\n" * 10)

    assert b"250 2.0.0 OK\r\n" * 10 == await client.reader.read(10_000)


@pytest.mark.parametrize(
    ("case", "answer"),
    [
        ((Limits(idle_seconds=0.1), b""), b"421 4.4.2 "),
        ((Limits(idle_seconds=0.1), b"NOO"), b"421 4.4.2 "),
        ((Limits(session_seconds=0.1), b""), b"421 4.4.2 "),
        ((Limits(data_seconds=0.1), b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nDATA\r\n"), b"421 4.4.2 "),
        ((Limits(data_seconds=0.1), b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nBDAT 9\r\nhalf"), b"421 4.4.2 "),
        ((Limits(data_seconds=0.1), b"BDAT 9\r\nhalf"), b"421 4.4.2 "),
        ((Limits(max_commands=3, linger_seconds=0.1), b"NOOP\r\n" * 4), b"421 4.7.0 "),
        ((Limits(max_errors=1, linger_seconds=0.1), b"NOPE\r\n" * 3), b"421 4.7.0 "),
        ((Limits(max_transactions=1, linger_seconds=0.1), b"MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n"), b"421 4.7.0 "),
    ],
)
async def test_a_limit_is_told_before_the_end(open_server, connect, collector, case, answer):
    limits, before = case
    server = await open_server(limits)
    client = await connect(server)
    await client.greet()
    client.send(before)
    last = (await client.rest()).splitlines()[-1]

    assert last.startswith(answer)
    assert [] == collector.spools
    await client.close()
    await until(lambda: server.connections == 0)


async def test_the_end_of_a_session_waits_for_a_mail_that_is_being_kept(open_server, connect, collector):
    client = await connect(await open_server(Limits(session_seconds=0.2, idle_seconds=0.1)))
    collector.may_receive.clear()
    await client.begin()
    client.send(MAIL + b".\r\n")
    await asyncio.sleep(0.3)
    collector.may_receive.set()

    assert (await client.reply()).startswith("250 2.0.0 Accepted")
    assert (await client.reply()).startswith("421 4.4.2 ")


async def test_connections_of_one_peer_are_bounded(open_server, connect):
    server = await open_server(Limits(max_connections_per_peer=2))
    first, second, third = await connect(server), await connect(server), await connect(server)
    assert (await first.reply()).startswith("220 ")
    assert (await second.reply()).startswith("220 ")
    assert (await third.rest()).startswith(b"421 4.7.0 ")
    await first.close()
    await until(lambda: server.connections == 1)

    assert (await (await connect(server)).reply()).startswith("220 ")


async def test_connections_in_all_are_bounded(open_server, connect):
    server = await open_server(Limits(max_connections=1))
    first = await connect(server)
    await first.reply()
    second = await connect(server)

    assert (await first.rest()).startswith(b"421 4.3.2 ")
    assert (await second.reply()).startswith("220 ")
    assert 1 == server.connections


async def test_the_reply_before_a_hang_up_is_read_though_more_was_sent(open_server, connect):
    client = await connect(await open_server(Limits(linger_seconds=0.5)))
    client.send(b"GET / HTTP/1.1\r\n" + b"Header: x\r\n" * 50_000)

    assert b"502 5.5.1 This is not HTTP" in await client.rest()


async def test_ids_that_are_none_are_no_promise(open_server, connect):
    async def receive(envelope, spool, agents):
        return [1]

    client = await connect(await open_server(receive=receive))
    await client.begin()
    client.send(b".\r\n")

    assert (await client.reply()).startswith("451 4.3.0 ")


async def test_a_driver_that_breaks_tells_the_log_alone(open_server, connect):
    class NoCertificates:
        def current(self):
            raise ZeroDivisionError("secret")

    server = await open_server(certificates=NoCertificates())
    client = await connect(server)
    await client.greet()
    with capture_logs() as logs:
        client.send(b"STARTTLS\r\n")
        assert b"421 4.3.0 Try again later\r\n" == await client.rest()
    await until(lambda: server.connections == 0)

    assert ["session_failed"] == [line["event"] for line in logs]


async def test_it_listens_on_several_hosts_and_on_sockets_that_are_bound(collector):
    bound = socket.create_server(("127.0.0.1", 0))
    server = SmtpServer(admit=collector.admit, receive=collector.receive, hostname="mx")
    await server.start([("127.0.0.1", 0), ("localhost", 0)], sockets=[bound])
    addresses = server.addresses
    greetings = []
    for address in addresses:
        reader, writer = await asyncio.open_connection(*address)
        greetings.append(await reader.readline())
        writer.close()
    await server.stop(1)

    assert 3 == len(set(addresses))
    assert [b"220 mx ESMTP Mailseal\r\n"] * 3 == greetings
    assert [] == server.addresses
