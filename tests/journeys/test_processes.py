"""The daemon as a process: killed, told to stop, and two of them on one database."""

import asyncio
import json
import smtplib
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.aws import pretend
from tests.daemon_process import ROOT
from tests.journeys.home import BOT, HOOK
from tests.journeys.sender import letter, sent, signed_letter
from tests.outbound.lines import Cut, SpokenSes

# The wait before a retry, and how long a claim outlives its worker at least: short for tests.
HASTY = {"MAILSEAL_WEBHOOK_RETRY_SECONDS": ",".join(["0.2"] * 50), "MAILSEAL_WEBHOOK_TIMEOUT_SECONDS": "1"}


@pytest.fixture
def started():
    """Starts daemons off the loop; none is left behind."""
    running = []

    async def start(home):
        daemon = home.process()
        running.append(daemon)
        return await asyncio.to_thread(daemon.start)

    yield start
    for daemon in running:
        daemon.kill()


async def test_a_letter_survives_the_death_of_the_daemon_that_took_it(home, started):
    home.agent()
    daemon = await started(home)
    (message_id,) = await sent(daemon.smtp, signed_letter(), BOT)
    daemon.kill()

    await asyncio.to_thread(daemon.start)
    async with home.poller(daemon.http) as agent:
        assert [message_id] == [item["message"]["message_id"] for item in await agent.lease()]


async def test_a_mail_that_was_being_sent_when_the_daemon_died_is_in_doubt_soon_and_not_sent_again(
    sqlite_home, started, monkeypatch
):
    pretend(monkeypatch)
    sqlite_home.data_dir = Path(make_url(sqlite_home.database_url).database).parent  # where nobody else can be
    sqlite_home.agent()
    async with SpokenSes() as ses, Cut(ses.port, hold=b"MessageId") as line:
        sqlite_home.more = {
            "MAILSEAL_OUTBOUND": "ses",
            "MAILSEAL_SES_REGION": "eu-west-1",
            "MAILSEAL_SES_ENDPOINT_URL": f"http://127.0.0.1:{line.port}",
        }
        daemon = await started(sqlite_home)
        async with sqlite_home.poller(daemon.http) as agent:
            mail = {"to": ["ana@customer.example"], "subject": "once", "text": "once"}
            message_id = await agent.send(mail)
        async with asyncio.timeout(20):
            while not ses.mails:  # noqa: ASYNC110 (the provider has no event for it)
                await asyncio.sleep(0.02)
        daemon.kill()

        await asyncio.to_thread(daemon.start)
        told = await asyncio.to_thread(daemon.wait_for, "send_unconfirmed")

    assert message_id == told["message_id"]
    assert 1 == len(ses.mails)


async def test_a_letter_that_was_on_its_way_when_the_daemon_died_is_delivered(sqlite_home, sink, started):
    sqlite_home.more = HASTY
    sqlite_home.agent(HOOK, webhook=sink.url())
    sink.hang("/hook")
    daemon = await started(sqlite_home)
    (message_id,) = await sent(daemon.smtp, signed_letter(), HOOK)
    await sink.got(1)
    daemon.kill()
    sink.let_go("/hook")

    await asyncio.to_thread(daemon.start)
    posted = await sink.got_about(message_id, times=2)

    assert sqlite_home.checked(posted).holds
    assert 1 == len({each.webhook_id for each in sink.posted})


async def test_a_letter_that_waits_for_a_retry_is_delivered_by_the_next_daemon(home, sink, started):
    home.more = HASTY
    home.agent(HOOK, webhook=sink.url())
    sink.answers("/hook", 500)
    daemon = await started(home)
    (message_id,) = await sent(daemon.smtp, letter(), HOOK)
    await asyncio.to_thread(daemon.wait_for, "delivery_deferred")
    daemon.kill()
    sink.answers("/hook", 204)

    await asyncio.to_thread(daemon.start)
    told = await asyncio.to_thread(daemon.wait_for, "delivery_succeeded", seconds=30)

    assert message_id == told["message_id"]


async def test_nothing_delivered_is_sent_again_after_a_death(sqlite_home, sink, started):
    sqlite_home.agent(HOOK, webhook=sink.url())
    daemon = await started(sqlite_home)
    before = [(await sent(daemon.smtp, letter(number), HOOK))[0] for number in range(5)]
    for message_id in before:
        await asyncio.to_thread(
            daemon.wait_for, "delivery_succeeded", where=lambda line, wanted=message_id: line["message_id"] == wanted
        )
    daemon.kill()

    await asyncio.to_thread(daemon.start)
    after = await sent(daemon.smtp, letter(9), HOOK)
    await sink.got_about(after[0])

    assert before + after == [posted.message_id for posted in sink.posted]


async def test_a_daemon_that_is_told_to_stop_lets_a_letter_arrive_and_takes_no_other(sqlite_home, started):
    sqlite_home.agent()
    daemon = await started(sqlite_home)
    with closing(smtplib.SMTP(*daemon.smtp, local_hostname="mx.example.com", timeout=30)) as client:
        await asyncio.to_thread(begin, client)
        daemon.terminate()
        await asyncio.to_thread(daemon.wait_for, "daemon_stopping")
        assert await asyncio.to_thread(is_closed, daemon.smtp)
        client.send(letter().partition(b"\r\n")[2] + b".\r\n")
        code, text = await asyncio.to_thread(client.getreply)
        assert 250 == code, text
    assert 0 == await asyncio.to_thread(daemon.ended)
    assert [] == daemon.noise

    await asyncio.to_thread(daemon.start)
    async with sqlite_home.poller(daemon.http) as agent:
        (item,) = await agent.lease()
    assert item["message"]["message_id"] in text.decode()


async def test_a_session_that_waits_for_nothing_is_told_that_the_daemon_stops(sqlite_home, started):
    daemon = await started(sqlite_home)
    with socket.create_connection(daemon.smtp, timeout=30) as client, client.makefile("rb") as lines:
        assert (await asyncio.to_thread(lines.readline)).startswith(b"220 ")
        daemon.terminate()
        assert (await asyncio.to_thread(lines.readline)).startswith(b"421 4.3.2 ")

    assert 0 == await asyncio.to_thread(daemon.ended)
    assert "daemon_stopped" == daemon.log[-1]["event"]


def begin(client: smtplib.SMTP) -> None:
    """A mail up to the middle of its header."""
    client.ehlo()
    assert client.mail("ana@example.com")[0] == 250
    assert client.rcpt(BOT)[0] == 250
    assert client.docmd("DATA")[0] == 354
    client.send(letter().partition(b"\r\n")[0] + b"\r\n")


def is_closed(address) -> bool:
    """Whether nobody is let in any more; it may take a moment."""
    for _ in range(200):
        try:
            with socket.create_connection(address, timeout=5) as late:
                late.recv(100)
        except (ConnectionRefusedError, ConnectionResetError):
            return True
    return False


async def test_a_mail_put_in_by_hand_is_delivered_by_the_daemon_that_runs(home, sink, started, tmp_path):
    home.agent(HOOK, webhook=sink.url())
    (tmp_path / "letter.eml").write_bytes(signed_letter())
    await started(home)
    command = [sys.executable, "-m", "relay.cli", "inject", str(tmp_path / "letter.eml"), "--to", HOOK, "--json"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--mail-from", "ana@example.com", "--helo", "mx.example.com"],
        cwd=ROOT,
        env=home.command_environment,
        capture_output=True,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr

    (message_id,) = json.loads(done.stdout)["message_ids"]
    posted = await sink.got_about(message_id)

    assert home.checked(posted).holds
    assert posted.event["data"]["authentication"]["verified"]


async def test_two_daemons_share_the_deliveries_and_make_each_once(postgres_home, sink, started):
    postgres_home.more = {"MAILSEAL_WEBHOOK_MAX_IN_FLIGHT": "2"}
    postgres_home.agent(HOOK, webhook=sink.url())
    sink.hang("/hook")
    daemons = [await started(postgres_home), await started(postgres_home)]
    ids = [(await sent(daemons[number % 2].smtp, letter(number), HOOK))[0] for number in range(40)]
    await sink.got(4)  # two of each: the letters of one daemon are delivered by the other too
    sink.let_go("/hook")
    await sink.got(40)
    assert [0, 0] == [await asyncio.to_thread(daemon.stop) for daemon in daemons]

    assert sorted(ids) == sorted(posted.message_id for posted in sink.posted)
    assert {"delivered"} == {delivery.status for delivery in postgres_home.deliveries()}
    assert sorted(ids) == sorted(
        line["message_id"] for daemon in daemons for line in daemon.log if line["event"] == "delivery_succeeded"
    )
