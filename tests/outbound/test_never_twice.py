"""What could make a mail go out twice, each way tried on purpose: the provider has it once."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from relay.errors import CourierBusy, CourierRefused
from relay.jobs.holds import Holds
from relay.jobs.sending import Sending
from relay.outbound import review
from relay.outbound.couriers.ses.events import parse_event
from relay.outbound.feedback.feedback import apply_event
from relay.outbound.send import send_queued
from relay.outbound.submit import OutboundRequest, submit
from relay.outbound.unconfirmed import resolve
from store.database.connect import open_store
from store.directory.agents import delete_agent
from store.directory.hitl import update_agent_hitl
from store.errors import NotPendingApproval, NotUnconfirmed, SendUnconfirmed
from store.outbound.holds import list_expired_pending
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import claim_queued, list_send_attempts
from store.outbound.unconfirmed import sweep_unconfirmed
from store.records.outbound import Draft
from tests.fakes import FakeCourier
from tests.outbound.feedback import told
from tests.places import Places
from tests.send_contexts import make_send_context

ANA, BOT = "ana@owner.example", "bot@agents.example"
MAIL = Draft(to=(told.BO,), subject="once", text="hello")


class GatedCourier(FakeCourier):
    """Has the mail at once, and answers when the gate opens: with an id, or by raising *error*."""

    def __init__(self, error=None):
        super().__init__()
        self.error, self.gate, self.asked = error, asyncio.Event(), asyncio.Event()

    async def carry(self, raw, **about):
        if self.error is None:
            answer = await super().carry(raw, **about)
        self.asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return answer


class Scenario:
    """An agent, its owner and who sends; every process has an office of its own."""

    def __init__(self, store, clock, master):
        self.store, self.clock, self.master = store, clock, master

    async def furnish(self):
        places = Places(self.clock, self.master)

        def unit(tx):
            user = places.user(tx, ANA)
            places.domain(tx, user)
            return user.id, places.agent(tx, user, BOT)

        self.user, self.agent = await self.store.write(unit)
        return self

    def send_context(self, courier, store=None):
        return make_send_context(store or self.store, self.clock, self.master, courier=courier)

    async def hold(self, action, ttl=60):
        how = {"enabled": True, "ttl_seconds": ttl, "expiration_action": action}
        await self.store.write(lambda tx: update_agent_hitl(tx, self.user, BOT, **how, now=self.clock.now()))

    async def write(self, send_context):
        return (await submit(self.agent, OutboundRequest(draft=MAIL), ctx=send_context)).id

    async def claim(self):
        now = self.clock.now()
        claimed = await self.store.write(lambda tx: claim_queued(tx, limit=9, lease=timedelta(minutes=5), now=now))
        return claimed[0] if claimed else None

    async def sweep(self):
        now = self.clock.now()
        return await self.store.write(lambda tx: sweep_unconfirmed(tx, limit=9, now=now))

    async def expired(self):
        now = self.clock.now()
        (hold,) = await self.store.read(lambda tx: list_expired_pending(tx, limit=9, now=now))
        return hold

    async def status(self, message_id):
        return (await self.store.read(lambda tx: get_outbound_message(tx, message_id))).status

    async def outcomes(self, message_id):
        return [each.outcome for each in await self.store.read(lambda tx: list_send_attempts(tx, message_id))]


@pytest.fixture
async def scenario(sqlite_store, clock, master):
    return await Scenario(sqlite_store, clock, master).furnish()


@pytest.fixture
async def any_scenario(live_store, clock, master):
    return await Scenario(live_store, clock, master).furnish()


async def under_way(courier, work):
    """A task of *work*, whose mail the provider has now."""
    task = asyncio.ensure_future(work)
    async with asyncio.timeout(10):
        await courier.asked.wait()
    return task


async def test_a_yes_behind_the_lease_makes_a_doubtful_mail_sent(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    sending = await under_way(courier, send_queued(await scenario.claim(), ctx=send_context))

    scenario.clock.advance(minutes=6)
    assert [message_id] == await scenario.sweep()
    assert await scenario.claim() is None
    courier.gate.set()
    await sending

    assert ("sent", ["sent"]) == (await scenario.status(message_id), await scenario.outcomes(message_id))
    with pytest.raises(NotUnconfirmed):
        await resolve(scenario.user, message_id, "send_again", agent=BOT, ctx=send_context)
    assert 1 == len(courier.taken)


async def test_a_yes_that_comes_after_the_owner_said_send_again_is_believed_before_anybody_sends(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    sending = await under_way(courier, send_queued(await scenario.claim(), ctx=send_context))
    scenario.clock.advance(minutes=6)
    await scenario.sweep()

    await resolve(scenario.user, message_id, "send_again", agent=BOT, ctx=send_context)
    courier.gate.set()
    await sending

    assert "sent" == await scenario.status(message_id)
    assert await scenario.claim() is None
    assert 1 == len(courier.taken)


async def test_a_yes_to_an_expired_hold_that_its_owner_had_sent_again_is_believed_too(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    await scenario.hold("approve")
    message_id = await scenario.write(send_context)
    scenario.clock.advance(seconds=61)
    sending = await under_way(courier, review.expire(await scenario.expired(), ctx=send_context))
    scenario.clock.advance(minutes=6)
    await scenario.sweep()

    await resolve(scenario.user, message_id, "send_again", agent=BOT, ctx=send_context)
    courier.gate.set()
    await sending

    assert "sent" == await scenario.status(message_id)
    assert await scenario.claim() is None
    assert 1 == len(courier.taken)


@pytest.mark.parametrize("error", [CourierRefused("no"), CourierBusy("later"), SendUnconfirmed("cut")])
async def test_a_late_no_changes_nothing_of_the_attempt_that_the_owner_asked_for(scenario, error):
    slow = GatedCourier(error)
    message_id = await scenario.write(scenario.send_context(slow))
    sending = await under_way(slow, send_queued(await scenario.claim(), ctx=scenario.send_context(slow)))
    scenario.clock.advance(minutes=6)
    await scenario.sweep()
    quick = FakeCourier()
    await resolve(scenario.user, message_id, "send_again", agent=BOT, ctx=scenario.send_context(quick))
    again = await scenario.claim()

    slow.gate.set()
    await sending
    assert "sending" == await scenario.status(message_id)
    assert await scenario.claim() is None
    await send_queued(again, ctx=scenario.send_context(quick))

    assert "sent" == await scenario.status(message_id)
    assert 1 == len(quick.taken)


@pytest.mark.parametrize("stopped", [timedelta(minutes=3, seconds=1), timedelta(minutes=6), timedelta(days=1)])
async def test_a_process_that_was_stopped_behind_its_claim_hands_nothing_over(scenario, stopped):
    courier = FakeCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    outgoing = await scenario.claim()

    scenario.clock.advance(seconds=stopped.total_seconds())
    await scenario.sweep()
    await send_queued(outgoing, ctx=send_context)

    assert [] == courier.taken
    assert "queued" == await scenario.status(message_id)


async def test_two_daemons_on_one_database_send_each_mail_once(any_scenario, database_url):
    scenario, courier = any_scenario, FakeCourier()
    other = open_store(database_url)
    other.start()
    offices = [scenario.send_context(courier), scenario.send_context(courier, other)]
    ids = [await scenario.write(offices[0]) for _ in range(20)]
    workers = [Sending(send_context) for send_context in offices]

    for worker in workers:
        worker.start()
    async with asyncio.timeout(20):
        while {"sent"} != {await scenario.status(each) for each in ids}:  # noqa: ASYNC110 (two workers and a database)
            await asyncio.sleep(0.02)
    for worker in workers:
        await worker.stop(5)
    await other.stop()

    assert 20 == len(courier.taken) == len({raw for raw, *_ in courier.taken})


@pytest.mark.parametrize("first", ["approval", "expiry"])
async def test_an_approval_and_the_end_of_the_hold_send_it_once_between_them(any_scenario, first):
    scenario, courier = any_scenario, GatedCourier()
    send_context = scenario.send_context(courier)
    await scenario.hold("approve")
    message_id = await scenario.write(send_context)
    scenario.clock.advance(seconds=61)
    hold = await scenario.expired()
    ways = {
        "approval": lambda: review.approve(scenario.user, message_id, ctx=send_context),
        "expiry": lambda: review.expire(hold, ctx=send_context),
    }

    winner = await under_way(courier, ways.pop(first)())
    with pytest.raises(NotPendingApproval):
        await ways.popitem()[1]()
    with pytest.raises(NotPendingApproval):
        await review.reject(scenario.user, message_id, ctx=send_context)
    courier.gate.set()
    await winner

    assert {"approval": "sent", "expiry": "expired_approved"}[first] == await scenario.status(message_id)
    assert 1 == len(courier.taken)


async def test_ten_who_decide_at_once_are_one(any_scenario):
    scenario, courier = any_scenario, FakeCourier()
    send_context = scenario.send_context(courier)
    await scenario.hold("approve")
    message_id = await scenario.write(send_context)
    scenario.clock.advance(seconds=61)
    hold = await scenario.expired()

    ends = await asyncio.gather(
        *[review.approve(scenario.user, message_id, ctx=send_context) for _ in range(4)],
        *[review.expire(hold, ctx=send_context) for _ in range(4)],
        *[review.reject(scenario.user, message_id, ctx=send_context) for _ in range(2)],
        return_exceptions=True,
    )

    assert 9 == sum(isinstance(each, NotPendingApproval) for each in ends)
    assert len(courier.taken) == (await scenario.status(message_id) in {"sent", "expired_approved"})


async def test_the_providers_event_before_its_answer_makes_it_sent_once(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    outgoing = await scenario.claim()
    sending = await under_way(courier, send_queued(outgoing, ctx=send_context))

    await apply_event(parse_event(told.text(told.delivery(attempt=outgoing.attempt))), ctx=send_context)
    assert "sent" == await scenario.status(message_id)
    courier.gate.set()
    await sending

    assert ("sent", ["sent"]) == (await scenario.status(message_id), await scenario.outcomes(message_id))
    assert 1 == len(courier.taken)


@pytest.mark.parametrize("error", [CourierRefused("no"), CourierBusy("later"), SendUnconfirmed("cut")])
async def test_the_providers_event_outweighs_an_answer_that_says_otherwise(scenario, error):
    courier = GatedCourier(error)
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    outgoing = await scenario.claim()
    sending = await under_way(courier, send_queued(outgoing, ctx=send_context))

    await apply_event(parse_event(told.text(told.send(attempt=outgoing.attempt))), ctx=send_context)
    courier.gate.set()
    await sending

    assert ("sent", ["sent"]) == (await scenario.status(message_id), await scenario.outcomes(message_id))
    scenario.clock.advance(days=1)
    assert await scenario.claim() is None


async def test_an_event_about_a_mail_that_waits_to_be_sent_again_takes_it_from_the_queue(scenario):
    courier = FakeCourier([SendUnconfirmed("cut")])
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    outgoing = await scenario.claim()
    await send_queued(outgoing, ctx=send_context)
    await resolve(scenario.user, message_id, "send_again", agent=BOT, ctx=send_context)

    await apply_event(parse_event(told.text(told.send(attempt=outgoing.attempt))), ctx=send_context)

    assert "sent" == await scenario.status(message_id)
    assert await scenario.claim() is None


async def test_a_worker_that_is_stopped_in_the_middle_leaves_a_doubt_and_no_second_mail(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    worker = Sending(send_context)
    worker.start()
    async with asyncio.timeout(10):
        await courier.asked.wait()

    await worker.stop(0.01)
    assert "sending" == await scenario.status(message_id)
    scenario.clock.advance(minutes=6)
    await Holds(send_context).sweep(asyncio.Event())

    assert "unconfirmed" == await scenario.status(message_id)
    assert await scenario.claim() is None
    assert 1 == len(courier.taken)


@pytest.mark.parametrize("error", [None, SendUnconfirmed("cut")])
async def test_a_mail_whose_agent_went_while_the_provider_had_it_is_not_logged_as_not_sent(scenario, error):
    courier = GatedCourier(error)
    send_context = scenario.send_context(courier)
    await scenario.write(send_context)
    with capture_logs() as lines:
        sending = await under_way(courier, send_queued(await scenario.claim(), ctx=send_context))
        await scenario.store.write(lambda tx: delete_agent(tx, scenario.user, BOT))
        courier.gate.set()
        await sending

    assert ["send_unconfirmed"] == [line["event"] for line in lines]


async def test_an_approver_who_hangs_up_has_decided_all_the_same(scenario):
    courier = GatedCourier()
    send_context = scenario.send_context(courier)
    await scenario.hold("reject")
    message_id = await scenario.write(send_context)
    asking = await under_way(courier, review.approve(scenario.user, message_id, ctx=send_context))

    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    courier.gate.set()
    async with asyncio.timeout(10):
        while "sent" != await scenario.status(message_id):  # noqa: ASYNC110 (the decision goes on by itself)
            await asyncio.sleep(0.01)

    assert 1 == len(courier.taken)


async def test_bytes_that_are_not_those_of_the_digest_do_not_go(scenario):
    courier = FakeCourier()
    send_context = scenario.send_context(courier)
    message_id = await scenario.write(send_context)
    outgoing = await scenario.claim()
    forged = replace(outgoing, message=replace(outgoing.message, digest="0" * 64))

    await send_queued(forged, ctx=send_context)

    assert [] == courier.taken
    assert "failed" == await scenario.status(message_id)
