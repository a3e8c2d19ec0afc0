"""A daemon that stops while mail waits for the provider's quota: the mail was never handed over, and says so."""

import asyncio
from contextlib import suppress

import pytest

from relay.clock import SystemClock
from relay.outbound.review import approve
from store.outbound.outbound import (
    create_outbound_message,
    create_pending_outbound_message,
    get_outbound_message,
    resolve_outbound_owner,
)
from store.records.outbound import Draft
from tests.aws import pretend
from tests.journeys.home import BOT, Home
from tests.outbound.lines import SpokenSes
from tests.places import new_outbound

SLOW = {"Max24HourSend": 1000, "MaxSendRate": 1, "SentLast24Hours": 0}
MANY = tuple(f"r{n}@customer.example" for n in range(5))  # four seconds of the quota


@pytest.fixture
async def ses(monkeypatch):
    pretend(monkeypatch)
    async with SpokenSes(quota=SLOW) as opened:
        yield opened


@pytest.fixture
def home(tmp_path, database_url, ses):
    chosen = {"OUTBOUND": "ses", "SES_REGION": "eu-west-1", "SES_ENDPOINT_URL": f"http://127.0.0.1:{ses.port}"}
    made = Home(tmp_path / "data", database_url, "127.0.0.1:9", {f"MAILSEAL_{k}": v for k, v in chosen.items()})
    made.agent()
    yield made
    made.close()


def keep(home, create, to, **more):
    new = new_outbound(BOT, at=SystemClock().now(), draft=Draft(to=to, subject="s", text="t"))
    return home.store.run(lambda tx: create(tx, new, **more)).id


def found(home, message_id):
    return home.store.run(lambda tx: get_outbound_message(tx, message_id))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (a daemon, a database and a server)
            await asyncio.sleep(0.02)


async def test_an_approval_that_waits_for_quota_at_a_stop_is_pending_again(home, ses):
    first, second = (keep(home, create_pending_outbound_message, to, ttl_seconds=600) for to in (MANY, MANY[:1]))
    owner = home.store.run(lambda tx: resolve_outbound_owner(tx, second))

    async with home.daemon() as relay:
        assert "sent" == (await approve(owner, first, ctx=relay.daemon._send_context)).status
        waiting = asyncio.ensure_future(approve(owner, second, ctx=relay.daemon._send_context))
        await until(lambda: found(home, second).status == "sending")
        await asyncio.sleep(0.2)
        waiting.cancel()  # as when the web server ends its requests
        with suppress(asyncio.CancelledError):
            await waiting

    stopped = found(home, second)
    assert ("pending_approval", 1) == (stopped.status, len(ses.mails))
    assert "the daemon is stopping" in stopped.error
    async with home.daemon() as relay:
        await asyncio.sleep(0.3)  # the sweep looks at its start
        assert "pending_approval" == found(home, second).status
        assert "sent" == (await approve(owner, second, ctx=relay.daemon._send_context)).status
    assert 2 == len(ses.mails)


async def test_a_queued_mail_that_waits_for_quota_at_a_stop_is_queued_again(home, ses):
    ids = [keep(home, create_outbound_message, MANY) for _ in range(2)]

    async with home.daemon():
        await until(lambda: {"sent", "sending"} == {found(home, each).status for each in ids})

    (waiting,) = [each for each in ids if found(home, each).status != "sent"]
    assert ("queued", 1) == (found(home, waiting).status, len(ses.mails))
    assert "the daemon is stopping" in found(home, waiting).error
    async with home.daemon():
        await until(lambda: found(home, waiting).status == "sent")
    assert 2 == len(ses.mails)
