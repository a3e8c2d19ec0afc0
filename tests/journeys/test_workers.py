"""A daemon of two workers: mail at the one wakes clients of the other; what a killed one had claimed comes at once."""

import asyncio
import os
import re
import signal
import smtplib
import time
import urllib.request
from contextlib import asynccontextmanager, closing, contextmanager

import pytest

from store.database.sqlite_watcher import POLL_SECONDS
from tests.daemon_process import DaemonProcess
from tests.journeys.home import BOT, HOOK
from tests.journeys.sender import SENDER, letter, send, transact
from tests.workers.ready import workers_of

LEASE = 25.0  # seconds: how long a claim outlives its worker by itself


@pytest.fixture
async def daemon(home, sink):
    home.more = {"MAILSEAL_WORKERS": "2"}
    home.agent(HOOK, webhook=sink.url())
    home.agent(BOT)
    running = DaemonProcess(home.environment, is_forked=True)
    await asyncio.to_thread(running.start)
    yield running
    await asyncio.to_thread(running.kill)


@contextmanager
def only(daemon, number):
    """New connections are accepted by worker *number* meanwhile."""
    others = [pid for each, pid in workers_of(daemon).items() if each != number]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def session(daemon, number):
    """An SMTP session at worker *number*."""
    with closing(smtplib.SMTP(timeout=30)) as client:
        with only(daemon, number):
            await asyncio.to_thread(client.connect, *daemon.smtp)
        await asyncio.to_thread(client.ehlo)
        yield client


def metrics_of(daemon):
    with urllib.request.urlopen("http://{}:{}/metrics".format(*daemon.http), timeout=20) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


async def test_mail_at_one_worker_wakes_a_client_of_the_other_within_a_moment(home, daemon):
    delays = {True: [], False: []}  # whether both are at the same worker
    for at, (waiting, receiving) in enumerate([(0, 1), (0, 0), (1, 0), (1, 1)] * 3):
        async with home.poller(daemon.http) as agent, session(daemon, receiving) as client:
            with only(daemon, waiting):
                lease = asyncio.create_task(agent.lease(wait=10))
                await asyncio.sleep(0.15)
            reply = await asyncio.to_thread(transact, client, letter(at), BOT)
            began = time.monotonic()
            (item,) = await lease
            delays[waiting == receiving].append(time.monotonic() - began)
            assert item["message"]["message_id"] in reply.text
            await agent.ack([item])

    # The quickest of each: a busy machine delays the others. A look at the file comes half an interval later.
    assert min(delays[False]) - min(delays[True]) < POLL_SECONDS / 5, delays


async def test_metrics_are_those_of_all_workers_whichever_is_asked(daemon):
    for number, count in ((0, 2), (1, 3)):
        for at in range(count):
            async with session(daemon, number) as client:
                assert 250 == (await asyncio.to_thread(transact, client, letter(10 * number + at), BOT)).code
    found = []
    for number in (0, 1):
        with only(daemon, number):
            request = asyncio.create_task(asyncio.to_thread(metrics_of, daemon))
            await asyncio.sleep(0.2)  # accepted; the peer answers once it goes on
        found.append(await request)

    for metrics in found:
        assert 5 == metrics['mailseal_mails_total{outcome="accepted"}'] == metrics["mailseal_accept_seconds_count"]
        assert 5 == metrics['mailseal_accept_seconds_bucket{le="+Inf"}']
        assert 2 == metrics["mailseal_workers"]
        assert [1.0] == [value for name, value in metrics.items() if name.startswith("python_info")]

    with only(daemon, 0):
        hung = await asyncio.to_thread(metrics_of, daemon)
    assert 1 == hung["mailseal_workers"]
    assert 2 == hung['mailseal_mails_total{outcome="accepted"}']


async def test_a_killed_worker_loses_nothing_and_its_webhooks_come_at_once(home, daemon, sink):
    sink.hang("/hook")
    async with session(daemon, 1) as client, session(daemon, 0) as other:
        taken = await asyncio.to_thread(transact, client, letter(1), HOOK)
        await sink.got(1)
        client.mail(SENDER)
        client.rcpt(BOT)
        client.putcmd("DATA")
        client.getreply()
        client.send(b"Subject: half a mail")
        killed, since = workers_of(daemon)[1], len(daemon.log)
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        sink.let_go("/hook")
        posted = await sink.got_about(taken.ids[0], times=2)

        assert time.monotonic() - began < LEASE / 2
        assert home.checked(posted).holds
        assert 250 == (await asyncio.to_thread(transact, other, letter(2), BOT)).code
    await asyncio.to_thread(daemon.wait_for, "worker_ready", since=since)
    assert 250 == (await asyncio.to_thread(send, daemon.smtp, letter(3), BOT)).code
    async with home.poller(daemon.http) as agent:
        assert 2 == len(await agent.lease(most=10))
