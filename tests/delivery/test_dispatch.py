"""Which deliveries are tried, when, and by which worker. Every test on both databases, over real HTTP."""

import asyncio

import pytest
from sqlalchemy import insert

from relay.clock import SystemClock
from relay.delivery.attempt import LOST
from relay.delivery.dispatch import MOST_LOST_CLAIMS, Dispatcher
from relay.signing.secrets import master_key
from store.mail.deliveries import enqueue, release, replay
from store.schema.inbound import deliveries
from tests.delivery.way_out import HOOK, LEASE, OTHER, TIMEOUT_SECONDS
from tests.sink import Reply


@pytest.fixture
async def hook(way_out):
    return await way_out.agent()


@pytest.fixture
async def other(way_out):
    return await way_out.agent(OTHER)


async def test_a_mail_is_delivered_at_its_commit_and_not_at_the_next_sweep(way_out, sink, hook):
    async with way_out.dispatching():
        # One after the other: if each had to wait for a sweep, this would take twice as long.
        async with asyncio.timeout(10):
            for number in range(1, 21):
                await way_out.mail()
                await sink.got(number)

    assert 20 == len(sink.posted)


async def test_what_was_due_before_the_start_is_delivered(way_out, sink, hook):
    mails = await way_out.mails(3)

    async with way_out.dispatching():
        await sink.got(3)

    assert {mail.id for mail in mails} == {posted.message_id for posted in sink.posted}


async def test_an_endpoint_never_has_more_requests_open_than_it_may(way_out, sink, hook, other):
    sink.hang("/hook")
    mails = await way_out.mails(7)

    async with way_out.dispatching(at_once=2):
        await sink.got(2)
        await way_out.mail(OTHER)
        await sink.got(1, "/other")
        assert 2 == len(sink.at("/hook"))
        sink.let_go("/hook")
        await sink.got(7)

    assert 2 == sink.most_open["/hook"]
    assert {mail.id for mail in mails} == {posted.message_id for posted in sink.at("/hook")}


async def test_an_endpoint_that_hangs_does_not_delay_another(way_out, sink, hook, other):
    sink.hang("/hook")
    await way_out.mails(20)

    async with way_out.dispatching(at_once=2, grace_seconds=0):
        await sink.got(2)
        await way_out.mails(20, OTHER)
        await sink.got(20, "/other")

        assert 2 == sink.open["/hook"]


async def test_what_another_worker_has_is_left_to_it(way_out, sink, hook, other):
    await way_out.mail()
    await way_out.claim()
    await way_out.mail(OTHER)

    async with way_out.dispatching():
        way_out.wake()
        await sink.got(1, "/other")

    assert [] == sink.at("/hook")


async def test_what_a_dead_worker_had_is_delivered_once_its_lease_is_over(way_out, sink, clock, hook):
    mail = await way_out.mail()
    await way_out.claim()
    clock.advance(seconds=LEASE.total_seconds())

    async with way_out.dispatching():
        await sink.got(1)

    assert [mail.id] == [posted.message_id for posted in sink.posted]
    assert "delivered" == (await way_out.delivery(mail.id)).status


async def test_a_delivery_that_ends_its_worker_each_time_is_given_up(way_out, sink, clock, hook):
    mail = await way_out.mail()
    for _ in range(MOST_LOST_CLAIMS):
        await way_out.claim()
        clock.advance(seconds=LEASE.total_seconds())
    other = await way_out.mail()

    async with way_out.dispatching():
        await sink.got_about(other.id)

    dead = await way_out.delivery(mail.id)
    assert ("dead", LOST, [other.id]) == (dead.status, dead.last_error, [posted.message_id for posted in sink.posted])


async def test_a_claim_that_was_released_is_not_lost(way_out, sink, clock, hook):
    mail = await way_out.mail()
    for _ in range(2 * MOST_LOST_CLAIMS):
        claim = await way_out.claim()
        await way_out.store.write(lambda tx, claim=claim: release(tx, claim, now=clock.now()))

    async with way_out.dispatching():
        await sink.got_about(mail.id)


async def test_a_failed_attempt_is_repeated_by_the_table(way_out, sink, clock, hook):
    sink.answers("/hook", 500, 500, 204)
    mail = await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60, 600)):
        await way_out.outcomes.of(1)
        first = (await way_out.delivery(mail.id)).due_at - clock.now()
        clock.advance(seconds=66)
        way_out.wake()
        await way_out.outcomes.of(2)
        second = (await way_out.delivery(mail.id)).due_at - clock.now()
        clock.advance(seconds=660)
        way_out.wake()

        assert ["later", "later", "delivered"] == await way_out.outcomes.of(3)

    assert 60 <= first.total_seconds() <= 66
    assert 600 <= second.total_seconds() <= 660
    assert [500, 500, 204] == [each.status for each in await way_out.tried(await way_out.delivery(mail.id))]


async def test_a_retry_is_not_made_before_its_time(way_out, sink, clock, hook, other):
    sink.answers("/hook", 500, 204)
    await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60,)):
        await way_out.outcomes.of(1)
        clock.advance(seconds=59)
        way_out.wake()
        await way_out.mail(OTHER)
        await sink.got(1, "/other")

    assert 1 == len(sink.at("/hook"))


async def test_a_retry_that_falls_due_needs_no_wake_up(way_out, sink, hook):
    way_out.clock = SystemClock()
    sink.answers("/hook", 500, 204)
    await way_out.mail()

    async with way_out.dispatching(retry_seconds=(0.2,)):
        assert ["later", "delivered"] == await way_out.outcomes.of(2)


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_patience_is_given_exactly_that(way_out, sink, clock, hook, status):
    sink.answers("/hook", Reply(status, (("Retry-After", "7"),)), 204)
    await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60,)):
        await way_out.outcomes.of(1)
        clock.advance(seconds=7)
        way_out.wake()

        assert ["later", "delivered"] == await way_out.outcomes.of(2)


async def test_a_redirect_is_tried_again_and_not_followed(way_out, sink, clock, hook):
    sink.answers("/hook", Reply(307, (("Location", sink.url("/elsewhere")),)), 204)
    await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60,)):
        await way_out.outcomes.of(1)
        clock.advance(seconds=66)
        way_out.wake()
        await way_out.outcomes.of(2)

    assert ["/hook", "/hook"] == [posted.path for posted in sink.posted]


async def test_a_delivery_is_dead_once_the_table_is_used_up(way_out, sink, clock, hook):
    sink.answers("/hook", 500)
    mail = await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60,)):
        await way_out.outcomes.of(1)
        clock.advance(seconds=66)
        way_out.wake()
        assert ["later", "dead"] == await way_out.outcomes.of(2)

    found = await way_out.delivery(mail.id)
    assert ("dead", 2, 500) == (found.status, found.attempts, found.last_status)


@pytest.mark.parametrize(("answer", "outcome"), [(500, "dead"), (204, "delivered")])
async def test_a_replay_delivers_again_under_the_same_webhook_id(way_out, sink, clock, hook, *, answer, outcome):
    sink.answers("/hook", answer, 204)
    mail = await way_out.mail()
    async with way_out.dispatching(retry_seconds=()):
        assert [outcome] == await way_out.outcomes.of(1)
        delivery = await way_out.delivery(mail.id)
        clock.advance(days=3)
        await way_out.store.write(lambda tx: replay(tx, delivery.id, now=clock.now()))
        await way_out.outcomes.of(2)

    assert [delivery.event_id] * 2 == [posted.webhook_id for posted in sink.posted]
    assert ["delivered"] == await way_out.statuses([mail])


async def test_a_replay_has_the_whole_table_before_it(way_out, sink, clock, hook):
    sink.answers("/hook", 500)
    mail = await way_out.mail()
    async with way_out.dispatching(retry_seconds=(60,)):
        await way_out.outcomes.of(1)
        clock.advance(seconds=66)
        way_out.wake()
        await way_out.outcomes.of(2)
        delivery = await way_out.delivery(mail.id)
        await way_out.store.write(lambda tx: replay(tx, delivery.id, now=clock.now()))

        assert ["later", "dead", "later"] == await way_out.outcomes.of(3)


async def test_mail_for_an_endpoint_that_is_gone_waits_for_a_new_one(way_out, sink, hook, other):
    sink.answers("/hook", 410)
    gone = await way_out.mail()
    async with way_out.dispatching():
        assert ["gone"] == await way_out.outcomes.of(1)
        later = await way_out.mail()
        await way_out.mail(OTHER)
        await sink.got(1, "/other")
        assert ["dead", "pending"] == await way_out.statuses([gone, later])

        await way_out.move(hook, sink.url("/new"))
        await way_out.outcomes.of(3)

    assert [later.id] == [posted.message_id for posted in sink.at("/new")]
    assert [gone.id] == [posted.message_id for posted in sink.at("/hook")]


async def test_what_was_taken_but_not_begun_does_not_go_to_an_endpoint_that_is_gone(way_out, sink, hook):
    sink.answers("/hook", 410)
    mails = await way_out.mails(4)
    async with way_out.dispatching(at_once=1):
        await way_out.outcomes.of(1)
        await way_out.move(hook, sink.url("/new"))
        await sink.got(3, "/new")

    assert 1 == len(sink.at("/hook"))
    assert ["dead", "delivered", "delivered", "delivered"] == sorted(await way_out.statuses(mails))


async def test_an_endpoint_that_is_gone_does_not_switch_off_the_one_that_took_its_place(way_out, sink, hook):
    sink.answers("/hook", 410)
    sink.hang("/hook")
    await way_out.mail()
    async with way_out.dispatching():
        await sink.got(1)
        await way_out.move(hook, sink.url("/new"))
        sink.let_go("/hook")
        await way_out.outcomes.of(1)
        mail = await way_out.mail()

        assert mail.id == (await sink.got(1, "/new"))[0].message_id


async def test_nothing_that_was_delivered_is_sent_again_after_a_restart(way_out, sink, hook):
    await way_out.mails(5)
    async with way_out.dispatching():
        await way_out.outcomes.of(5)
    last = await way_out.mail()

    async with way_out.dispatching():
        await way_out.outcomes.of(6)

    assert 6 == len(sink.posted)
    assert last.id == sink.posted[-1].message_id


async def test_a_dispatcher_that_stops_gives_back_what_it_has_not_begun(way_out, sink, hook):
    sink.hang("/hook")
    mails = await way_out.mails(4)
    async with way_out.dispatching(at_once=1, grace_seconds=1):
        await sink.got(1)

    free = {claim.delivery.message_id for claim in await way_out.claims()}
    assert {mail.id for mail in mails} - {sink.posted[0].message_id} == free


async def test_a_dispatcher_that_stops_lets_a_request_under_way_end(way_out, sink, hook):
    sink.hang("/hook")
    mail = await way_out.mail()
    dispatcher = Dispatcher(way_out.delivery_context(), at_once=8, timeout_seconds=TIMEOUT_SECONDS)
    dispatcher.start()
    await sink.got(1)

    stopping = asyncio.create_task(dispatcher.stop(10))
    sink.let_go("/hook")
    await stopping

    assert ["delivered"] == await way_out.statuses([mail])


async def test_a_dispatcher_that_has_stopped_takes_nothing_new(way_out, sink, hook):
    async with way_out.dispatching():
        pass
    mail = await way_out.mail()
    way_out.wake()

    assert [mail.id] == [claim.delivery.message_id for claim in await way_out.claims()]


async def test_a_request_that_was_cut_off_is_repeated_once_its_lease_is_over(way_out, sink, clock, hook):
    sink.hang("/hook")
    await way_out.mail()
    async with way_out.dispatching(grace_seconds=0):
        await sink.got(1)
    sink.let_go("/hook")
    clock.advance(seconds=LEASE.total_seconds())

    async with way_out.dispatching():
        await way_out.outcomes.of(1)

    assert 1 == len({posted.webhook_id for posted in sink.posted})
    assert 2 == len(sink.posted)


async def test_a_delivery_that_could_not_be_recorded_is_made_again(way_out, sink, clock, hook):
    sink.hang("/hook")
    mail = await way_out.mail()
    async with way_out.dispatching():
        await sink.got(1)
        way_out.hide("delivery_attempts")
        sink.let_go("/hook")
    way_out.show("delivery_attempts")
    assert ["pending"] == await way_out.statuses([mail])
    clock.advance(seconds=LEASE.total_seconds())

    async with way_out.dispatching():
        assert ["delivered"] == await way_out.outcomes.of(1)

    assert 2 == len(sink.posted)
    assert 1 == len({posted.webhook_id for posted in sink.posted})


async def test_a_dispatcher_survives_a_store_that_does_not_answer(way_out, sink, hook):
    mail = await way_out.mail()
    way_out.hide("deliveries")
    async with way_out.dispatching():
        way_out.wake()
        with pytest.raises(Exception, match="cannot answer"):
            await way_out.delivery(mail.id)
        way_out.show("deliveries")

        assert ["delivered"] == await way_out.outcomes.of(1)


async def test_a_claim_that_grew_old_in_line_is_taken_anew_and_not_twice(way_out, sink, clock, hook):
    sink.hang("/hook")
    mails = await way_out.mails(2)
    async with way_out.dispatching(at_once=1):
        await sink.got(1)
        clock.advance(seconds=LEASE.total_seconds() - TIMEOUT_SECONDS + 1)
        sink.let_go("/hook")
        await way_out.outcomes.of(2)

    assert sorted(mail.id for mail in mails) == sorted(posted.message_id for posted in sink.posted)
    assert ["delivered"] * 2 == await way_out.statuses(mails)


async def test_a_claim_that_ended_in_line_is_left_to_its_next_owner(way_out, sink, clock, hook, other):
    sink.hang("/hook")
    await way_out.mails(2)
    async with way_out.dispatching(at_once=1):
        await sink.got(1)
        clock.advance(seconds=LEASE.total_seconds())
        assert 2 == len(await way_out.claims())
        sink.let_go("/hook")
        await way_out.outcomes.of(1)
        await way_out.mail(OTHER)
        await sink.got(1, "/other")

    assert 1 == len(sink.at("/hook"))


async def test_a_delivery_without_its_message_does_not_hold_up_the_others(way_out, sink, clock, hook):
    orphan = {"id": "dlv_0", "event_id": "evt_0", "event_type": "email.received", "agent": HOOK, "status": "pending"}
    times = {"due_at": clock.now(), "created_at": clock.now()}
    await way_out.store.write(lambda tx: tx.execute(insert(deliveries), orphan | times) and None)
    mail = await way_out.mail()

    async with way_out.dispatching():
        await way_out.outcomes.of(1)

    assert [mail.id] == [posted.message_id for posted in sink.posted]
    assert [] == await way_out.claims()  # nor does it come back at once, for ever


async def test_an_agent_whose_secret_cannot_be_opened_does_not_hold_up_another(way_out, sink, clock, hook, other):
    kept, way_out.master = way_out.master, master_key(b"another master key for tests")
    stranger = await way_out.agent("stranger@agents.example")
    way_out.master = kept
    mail = await way_out.mail(stranger.address)

    async with way_out.dispatching():
        await way_out.mail(OTHER)
        await sink.got(1, "/other")

    assert [] == sink.at("/stranger")
    assert ["pending"] == await way_out.statuses([mail])


async def test_several_events_about_one_message_are_deliveries_of_their_own(way_out, sink, clock, hook):
    mail = await way_out.mail()
    kinds = {"agent": HOOK, "event_type": "email.received", "message_id": mail.id}
    await way_out.store.write(lambda tx: enqueue(tx, **kinds, now=clock.now()))

    async with way_out.dispatching():
        await sink.got(2)

    assert 2 == len({posted.webhook_id for posted in sink.posted})
    assert [mail.id] * 2 == [posted.message_id for posted in sink.posted]
