# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

"""Approvals outlive the request that asked for them, and end before the daemon does."""

import asyncio
from contextlib import suppress

import pytest

from relay.errors import CourierBusy, Stopping
from relay.outbound.couriers.ses.courier import SesCourier
from relay.outbound.review import approve
from store.outbound.outbound import create_pending_outbound_message, get_outbound_message
from tests.aws import pretend
from tests.fakes import FakeCourier
from tests.outbound.lines import SpokenSes
from tests.places import Places, new_outbound
from tests.send_contexts import make_send_context


class SlowCourier(FakeCourier):
    """Has the mail at once, and answers when the gate opens."""

    def __init__(self):
        super().__init__()
        self.gate, self.asked = asyncio.Event(), asyncio.Event()

    async def carry(self, raw, **about):
        self.asked.set()
        await self.gate.wait()
        return await super().carry(raw, **about)


@pytest.fixture
def courier():
    return SlowCourier()


@pytest.fixture
def ctx(sqlite_store, clock, master, courier):
    return make_send_context(sqlite_store, clock, master, courier=courier)


@pytest.fixture
async def held(sqlite_store, clock, master):
    agent = await sqlite_store.write(Places(clock, master).poll_agent)
    new = new_outbound(agent.address, at=clock.now())
    await sqlite_store.write(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=60))
    return agent.user_id, new.id


@pytest.fixture
def status(sqlite_store, held):
    async def look():
        return (await sqlite_store.read(lambda tx: get_outbound_message(tx, held[1]))).status

    return look


async def test_a_drain_waits_for_an_approval_whose_asker_is_gone(ctx, courier, held, status):
    asked = asyncio.ensure_future(approve(*held, ctx=ctx))
    await courier.asked.wait()
    asked.cancel()
    with suppress(asyncio.CancelledError):
        await asked

    asyncio.get_running_loop().call_later(0.05, courier.gate.set)
    await ctx.tasks.drain(10)

    assert ("sent", 1, 0) == (await status(), len(courier.taken), len(ctx.tasks))


async def test_an_approval_after_the_stop_has_begun_decides_nothing(ctx, courier, held, status):
    await ctx.tasks.drain(1)

    with pytest.raises(Stopping):
        await approve(*held, ctx=ctx)

    assert ("pending_approval", False) == (await status(), courier.asked.is_set())


async def test_an_approval_that_waits_for_quota_is_pending_again_when_sending_stops(
    sqlite_store, clock, master, held, status, monkeypatch
):
    pretend(monkeypatch)
    async with SpokenSes(quota={"Max24HourSend": 1000, "MaxSendRate": 1, "SentLast24Hours": 0}) as ses:
        courier = SesCourier(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{ses.port}")
        many = [f"r{n}@example.com" for n in range(5)]
        await courier.carry(b"", mail_from="b@a", recipients=many, attempt_id="a", check_lease=lambda: None)
        ctx = make_send_context(sqlite_store, clock, master, courier=courier)
        waiting = asyncio.ensure_future(approve(*held, ctx=ctx))
        async with asyncio.timeout(10):
            while "sending" != await status():  # noqa: ASYNC110 (what it waits for is in the database)
                await asyncio.sleep(0.01)

        await asyncio.wait_for(ctx.stop_sending(10), 2)
        with pytest.raises(CourierBusy, match="stopping"):
            await waiting
        await courier.close()

    assert ("pending_approval", 1) == (await status(), len(ses.mails))


async def test_each_context_has_tasks_of_its_own(ctx, sqlite_store, clock, master):
    other = make_send_context(sqlite_store, clock, master)
    await ctx.tasks.drain(0)

    assert (True, False) == (ctx.tasks.is_closed, other.tasks.is_closed)
