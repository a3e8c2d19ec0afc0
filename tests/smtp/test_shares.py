"""Hostile clients of one address, and a witness of another, over real sockets."""

import asyncio
import re

import pytest
from structlog.testing import capture_logs

from relay.metrics import Metrics
from relay.smtp.limits import Limits
from tests.smtp.collector import Client
from tests.smtp.test_server import MAIL, until

WITNESS = "127.0.0.9"


@pytest.fixture
async def witness():
    """Connects from an address of its own."""
    clients = []

    async def to(server, source=WITNESS):
        reader, writer = await asyncio.open_connection(*server.addresses[0], local_addr=(source, 0))
        clients.append(Client(reader, writer))
        return clients[-1]

    yield to
    for client in clients:
        await client.close()


def bound(metrics: Metrics, name: str) -> float:
    found = re.search(rf'mailseal_bounds_total{{bound="{name}"}} (\S+)', metrics.render().decode())
    return float(found[1]) if found else 0


async def deliver(client: Client) -> str:
    await client.begin()
    client.send(MAIL + b".\r\n")
    return await client.reply()


async def test_declared_sizes_that_never_arrive_take_no_room_from_others(open_server, connect, witness):
    server = await open_server(Limits(max_inflight_bytes=40_000_000, max_message_bytes=10_000_000))
    for _ in range(30):
        client = await connect(server)
        await client.greet()
        assert (await client.say("MAIL FROM:<> SIZE=9000000")).startswith("250 ")
        await client.say("RCPT TO:<bot@here.example>")
        assert (await client.say("DATA")).startswith("354 ")

    assert 0 == server.inflight_bytes
    assert (await deliver(await witness(server))).startswith("250 ")


async def test_mail_of_one_peer_that_arrives_takes_a_share_alone(open_server, connect, witness):
    metrics = Metrics()
    server = await open_server(Limits(max_inflight_bytes=4_000_000, max_message_bytes=600_000), metrics=metrics)
    line = b"x" * 998 + b"\r\n"
    for _ in range(3):
        client = await connect(server)
        await client.greet()
        await client.start_mail("BDAT 600000 LAST", line * 590)
    await until(lambda: bound(metrics, "smtp_mail_bytes_per_peer") == 2)
    assert server.inflight_bytes <= 1_000_000

    assert (await (await connect(server)).reply()).startswith("220 ")
    assert (await deliver(await witness(server))).startswith("250 ")


async def test_a_full_pool_of_silent_clients_makes_room_for_a_newcomer(open_server, connect, witness):
    metrics = Metrics()
    server = await open_server(Limits(max_connections=20, linger_seconds=0.1), metrics=metrics)
    silent = [await witness(server, f"127.0.1.{number}") for number in range(20)]
    for client in silent:
        await client.reply()

    assert (await deliver(await witness(server))).startswith("250 ")
    assert b"421 4.3.2 All connections are in use, and this one sent no mail\r\n" == await silent[0].rest()
    assert (await silent[1].say("NOOP")).startswith("250 ")
    assert 1 == bound(metrics, "smtp_connections_dropped")


async def test_a_crowded_pool_shortens_the_wait_of_those_that_are_silent_already(open_server, witness):
    server = await open_server(Limits(max_connections=10, crowded_idle_seconds=0.3, linger_seconds=0.1))
    silent = [await witness(server, f"127.0.1.{number}") for number in range(9)]

    for client in silent:
        assert (await client.rest()).endswith(b"421 4.4.2 Waited too long, closing\r\n")


async def test_new_connections_above_the_rate_of_a_peer_are_refused_and_others_are_not(open_server, connect, witness):
    metrics = Metrics()
    server = await open_server(Limits(connections_per_minute=5, linger_seconds=0.1), metrics=metrics)
    for _ in range(5):
        client = await connect(server)
        assert (await client.reply()).startswith("220 ")
        await client.close()

    assert (await (await connect(server)).rest()).startswith(b"421 4.7.0 ")
    assert (await (await witness(server)).reply()).startswith("220 ")
    assert 1 == bound(metrics, "smtp_connection_rate")


async def test_mails_above_the_rate_of_a_peer_are_put_off_and_others_are_not(open_server, connect, witness):
    server = await open_server(Limits(mails_per_minute=2))
    client = await connect(server)
    await client.greet()
    for _ in range(2):
        assert (await client.say("MAIL FROM:<>")).startswith("250 ")
        await client.say("RSET")

    assert (await client.say("MAIL FROM:<>")).startswith("450 4.7.1 ")
    assert (await deliver(await witness(server))).startswith("250 ")


@pytest.mark.parametrize("command", ["DATA", "BDAT 5000 LAST"])
async def test_a_mail_that_arrives_drop_by_drop_ends_the_session(open_server, connect, command):
    metrics = Metrics()
    server = await open_server(Limits(data_rate=100, data_rate_seconds=0.4, linger_seconds=0.1), metrics=metrics)
    client = await connect(server)
    await client.greet()
    await client.start_mail(command, b"S")
    answer = asyncio.create_task(client.reply())
    while not answer.done():
        client.send(b"u")
        await asyncio.sleep(0.02)

    assert "421 4.4.2 The mail arrives too slowly, closing" == await answer
    assert 1 == bound(metrics, "smtp_data_rate")


async def test_a_mail_that_keeps_the_least_rate_is_taken_however_long_it_lasts(open_server, connect, collector):
    client = await connect(await open_server(Limits(data_rate=10, data_rate_seconds=0.3)))
    await client.greet()
    await client.start_mail("DATA", b"Subject: x\r\n\r\n")
    for _ in range(10):
        client.send(b"12345678\r\n" * 2)
        await asyncio.sleep(0.1)
    client.send(b".\r\n")

    assert (await client.reply()).startswith("250 ")


async def test_replies_are_delayed_from_an_error_on(open_server, connect):
    server = await open_server(Limits(delay_after_errors=3, error_delay_seconds=0.3))
    client = await connect(server)
    await client.greet()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for _ in range(2):
        await client.say("WHAT")
    quick = loop.time() - begin
    begin = loop.time()
    await client.say("WHAT")
    await client.say("NOOP")

    assert loop.time() - begin >= 0.6
    assert quick < 0.6


async def test_commands_that_change_no_mail_are_bounded(open_server, connect):
    client = await connect(await open_server(Limits(max_junk=3, linger_seconds=0.1)))
    await client.greet()
    client.send(b"NOOP\r\nVRFY x\r\nRSET\r\nHELP\r\n")

    assert (await client.rest()).splitlines()[-1].startswith(b"421 4.7.0 ")


async def test_recipients_over_the_limit_end_the_session_when_they_are_many(open_server, connect):
    limits = Limits(max_recipients=2, max_errors=4, linger_seconds=0.1)
    client = await connect(await open_server(limits))
    await client.greet()
    client.send(b"MAIL FROM:<a@there.example>\r\n")
    client.send(b"".join(b"RCPT TO:<bot%d@here.example>\r\n" % number for number in range(20)))
    codes = [line[:3] for line in (await client.rest()).splitlines()]

    assert [b"250"] * 3 + [b"452"] * 4 + [b"421"] == codes


async def test_log_lines_of_one_peer_are_bounded_and_the_rest_is_counted(open_server, connect, witness):
    metrics = Metrics()
    server = await open_server(Limits(log_lines_per_minute=3, delay_after_errors=99, max_errors=99), metrics=metrics)
    client, other = await connect(server), await witness(server)
    await client.greet()
    await other.greet()
    with capture_logs() as logs:
        client.send(b"WHAT\r\n" * 10)
        for _ in range(10):
            await client.reply()
        await other.say("WHAT")
        await client.close()
        await other.close()
        await until(lambda: server.connections == 0)
        await server.stop(1)

    assert [("127.0.0.1", 3), (WITNESS, 1)] == [
        (peer, sum(line["event"] == "message_refused" and line["peer"] == peer for line in logs))
        for peer in ("127.0.0.1", WITNESS)
    ]
    assert {"event": "refusals_omitted", "log_level": "info", "peer": "127.0.0.1", "count": 7} in logs
    assert 7 == bound(metrics, "smtp_log_lines")


async def test_a_refused_mail_names_three_recipients_and_tells_their_number(open_server, connect):
    client = await connect(await open_server())
    await client.greet()
    client.send(b"MAIL FROM:<a@there.example>\r\n")
    client.send(b"".join(b"RCPT TO:<bot%d@here.example>\r\n" % number for number in range(9)) + b"DATA\r\n")
    for _ in range(11):
        await client.reply()
    with capture_logs() as logs:
        client.send(b"a\nb\r\n.\r\n")
        await client.reply()

    assert [f"bot{number}@here.example" for number in range(3)] == logs[0]["rcpt"]
    assert 9 == logs[0]["recipients"]


async def test_mail_refused_before_it_is_stored_is_counted_with_its_reply(open_server, connect):
    metrics = Metrics()
    client = await connect(await open_server(metrics=metrics))
    await client.begin()
    client.send(b"a\nb\r\n.\r\n")
    await client.reply()
    told = metrics.render().decode()

    assert 'mailseal_mails_total{outcome="refused"} 1.0' in told
    assert 'mailseal_smtp_replies_total{code="550",enhanced="5.6.11"} 1.0' in told


@pytest.mark.parametrize(("seconds", "answer"), [(0.3, b"554 5.5.0 "), (0, b"220 ")])
async def test_a_client_that_speaks_first_is_refused_where_the_server_waits(open_server, connect, seconds, answer):
    server = await open_server(Limits(banner_wait_seconds=seconds, linger_seconds=0.1))
    polite = await connect(server)
    early = await connect(server)
    early.send(b"EHLO client.example\r\nQUIT\r\n")

    assert (await early.rest()).startswith(answer)
    assert (await polite.reply()).startswith("220 ")


@pytest.mark.parametrize(
    ("name", "limits", "octets"),
    [
        ("smtp_commands", {"max_junk": 3}, b"NOOP\r\n" * 4),
        ("smtp_errors", {"max_errors": 2}, b"WHAT\r\n" * 3),
        ("smtp_command_bytes", {}, b"EHLO " + b"x" * 3000),
        ("smtp_mail_size", {}, b"EHLO a.example\r\nMAIL FROM:<> SIZE=99999999999\r\n"),
        ("smtp_mail_size", {}, b"EHLO a.example\r\nBDAT 99999999999 LAST\r\n"),
        ("smtp_mails_of_session", {"max_transactions": 1}, b"EHLO a.example\r\n" + b"MAIL FROM:<>\r\nRSET\r\n" * 2),
        (
            "smtp_null_path_recipients",
            {},
            b"HELO a\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<%d@here.example>\r\n" * 2 % (1, 2),
        ),
        (
            "smtp_recipients",
            {"max_recipients": 1},
            b"HELO a\r\nMAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<%d@here.example>\r\n" * 2 % (1, 2),
        ),
    ],
)
async def test_a_bound_that_a_reply_tells_of_is_counted(open_server, connect, name, limits, octets):
    metrics = Metrics()
    client = await connect(await open_server(Limits(**limits), metrics=metrics))
    await client.reply()
    client.send(octets)
    await until(lambda: bound(metrics, name))

    assert 1 == bound(metrics, name)


async def test_large_mails_are_read_in_turns_so_that_commands_of_others_go_between(open_server, connect, witness):
    server = await open_server(Limits(max_inflight_bytes=400_000_000, max_connections_per_peer=100))
    half = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 3000
    clients = [await connect(server) for _ in range(20)]
    for client in clients:
        await client.begin()
    for client in clients:
        client.send(half)

    assert (await deliver(await witness(server))).startswith("250 ")

    # Read as they arrive, most of the 60 MB would be in before the witness is answered.
    assert server.inflight_bytes < 15_000_000
